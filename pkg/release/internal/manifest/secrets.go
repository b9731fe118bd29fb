package manifest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/redact"
)

// SecretValues reads the values of all Secrets. A manifest that cannot be read
// was never applied.
func SecretValues(manifests ...string) []string {
	seen := map[string]bool{}
	for _, manifest := range manifests {
		objects, _ := Objects(manifest) // see above
		for _, object := range objects {
			if !IsSecret(object) {
				continue
			}
			for name, value := range MapOf(object.Object["stringData"]) {
				if text := fmt.Sprint(value); !redact.IsOpen(name, text) {
					seen[text] = true
				}
			}
			for name, value := range MapOf(object.Object["data"]) {
				encoded := strings.TrimSpace(fmt.Sprint(value))
				plain, err := base64.StdEncoding.DecodeString(encoded)
				if err == nil && redact.IsOpen(name, string(plain)) {
					continue
				}
				seen[encoded] = true
				if err == nil {
					seen[string(plain)] = true
				}
			}
		}
	}
	values := slices.Collect(maps.Keys(seen))
	slices.SortFunc(values, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return values
}

// Withhold takes the values out of a text.
func Withhold(text string, values []string) string {
	return redact.Of(values...).Text(text)
}

// IsSecret reports whether it is a Secret of the core API.
func IsSecret(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Secret" && object.GetAPIVersion() == "v1"
}
