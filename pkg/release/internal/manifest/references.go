package manifest

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/redact"
)

// SecretEnvironments are the secret values that stand in the environments of rendered
// containers as they are.
func SecretEnvironments(manifests ...string) (found []string) {
	var walk func(node any)
	walk = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			if env, ok := node["env"].([]any); ok {
				found = append(found, redact.Values(map[string]any{"env": env})...)
			}
			for _, value := range node {
				walk(value)
			}
		case []any:
			for _, value := range node {
				walk(value)
			}
		}
	}
	for _, manifest := range manifests {
		objects, _ := Objects(manifest) // what cannot be read was never applied
		for _, object := range objects {
			walk(object.Object)
		}
	}
	return found
}

// HasContainers reports whether an object has containers in it, whatever its kind.
func HasContainers(node any) bool {
	switch node := node.(type) {
	case map[string]any:
		if _, found := node["containers"].([]any); found {
			return true
		}
		for _, value := range node {
			if HasContainers(value) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(node, HasContainers)
	}
	return false
}

// SecretNames are the Secrets that an object names.
func SecretNames(object *unstructured.Unstructured) (found []string) {
	add := func(value any) {
		if name, ok := value.(string); ok && name != "" {
			found = append(found, name)
		}
	}
	var walk func(key string, node any)
	walk = func(key string, node any) {
		switch node := node.(type) {
		case map[string]any:
			switch lower := strings.ToLower(key); {
			case strings.HasSuffix(lower, "secretref"), strings.HasSuffix(lower, "secretkeyref"), lower == "secret", lower == "imagepullsecrets":
				add(node["name"])
			}
			for next, value := range node {
				if next == "secretName" {
					add(value)
				}
				walk(next, value)
			}
		case []any:
			for _, value := range node {
				walk(key, value)
			}
		}
	}
	walk("", object.Object)
	return found
}
