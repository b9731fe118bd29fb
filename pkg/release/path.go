package release

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// at reads a field by its path; an item of a list is named in brackets, by its
// number or its identity.
func at(object any, path string) any {
	for _, step := range steps.FindAllStringSubmatch(path, -1) {
		if step[1] != "" {
			object = mapOf(object)[step[1]]
			continue
		}
		list, _ := object.([]any)
		object = nil
		for i, item := range list {
			if step[2] == fmt.Sprint(i) || slices.ContainsFunc(identities, func(identity []string) bool {
				return strings.TrimSuffix(identify(mapOf(item), identity), "/") == step[2]
			}) {
				object = item
				break
			}
		}
	}
	return object
}

var steps = regexp.MustCompile(`([^.\[\]]+)|\[([^\]]*)\]`)

// short is a value for a message.
func short(value any) string {
	if value == nil {
		return "nothing"
	}
	out, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	if len(out) > maxValue {
		return strings.ToValidUTF8(string(out[:maxValue]), "") + "…"
	}
	return string(out)
}
