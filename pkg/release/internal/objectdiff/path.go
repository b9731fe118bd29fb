package objectdiff

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxValue bounds a value of a field in a message, in bytes.
const maxValue = 120

// At reads a field by its path; an item of a list is named in brackets, by its
// number or its identity.
func At(object any, path string) any {
	for _, step := range Steps.FindAllStringSubmatch(path, -1) {
		if step[1] != "" {
			object = manifest.MapOf(object)[step[1]]
			continue
		}
		list, _ := object.([]any)
		object = nil
		for i, item := range list {
			if step[2] == fmt.Sprint(i) || slices.ContainsFunc(identities, func(identity []string) bool {
				return strings.TrimSuffix(identify(manifest.MapOf(item), identity), "/") == step[2]
			}) {
				object = item
				break
			}
		}
	}
	return object
}

// Steps finds the steps of a path such as spec.containers[web].image: a field (group 1),
// or what stands in brackets (group 2).
var Steps = regexp.MustCompile(`([^.\[\]]+)|\[([^\]]*)\]`)

// Short is a value for a message.
func Short(value any) string {
	if value == nil {
		return "nothing"
	}
	out, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return text.Cut(string(out), maxValue)
}
