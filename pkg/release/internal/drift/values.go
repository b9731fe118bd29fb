package drift

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// differences gives fields with their values on both sides.
func differences(paths []string, found, should *unstructured.Unstructured) []record.Difference {
	all := make([]record.Difference, len(paths))
	for i, path := range paths {
		all[i] = record.Difference{Field: path}
		if !manifest.IsSecret(found) && !isSecretPath(path) {
			all[i].Live, all[i].Manifest = single(path, objectdiff.At(found.Object, path)), single(path, objectdiff.At(should.Object, path))
		}
	}
	return all
}

// isSecretPath reports whether a name in a path says that its value is a credential:
// "spec.template.spec.containers[app].env[DB_PASSWORD].value".
func isSecretPath(path string) bool {
	for _, step := range objectdiff.Steps.FindAllStringSubmatch(path, -1) {
		if redact.NameIsSecret(step[1]) || redact.NameIsSecret(step[2]) {
			return true
		}
	}
	return false
}

// single is a value for a message: of what holds others only their names, and of a
// text only what no credential looks like. What is typed by hand is in no list of
// secrets.
func single(path string, value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "{…}"
	case []any:
		return listed(path, v)
	case string:
		if !strings.HasSuffix(path, ".image") && !redact.IsOpen("name", v) {
			return "…"
		}
	}
	return objectdiff.Short(value)
}

// listed is a list for a message, by the names of its items where they have any.
func listed(path string, items []any) string {
	var all []string
	for _, item := range items {
		if mapping, isMapping := item.(map[string]any); isMapping {
			name, isNamed := mapping["name"].(string)
			if !isNamed {
				return "[…]"
			}
			item = name
		}
		all = append(all, single(path, item))
	}
	return "[" + strings.Join(all, ", ") + "]"
}
