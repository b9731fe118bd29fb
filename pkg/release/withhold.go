package release

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/redact"
)

const (
	// hidden stands for what is not shown.
	hidden = "(withheld)"
	// hiddenChange stands for what is not shown and differs from before.
	hiddenChange = "(withheld, changed)"
)

// Secrets gives the decoded values of the Secrets in a revision's manifest and
// hooks, longest first: what must not be seen in logs and messages.
func (r *Release) Secrets(ctx context.Context, revision int) ([]string, error) {
	record, err := r.record(ctx, revision)
	if err != nil {
		return nil, err
	}
	return secretValues(record.Manifest, hooksOf(record)), nil
}

// hooksOf is the manifest of a record's hooks.
func hooksOf(record *helmrelease.Release) string {
	var b strings.Builder
	for _, hook := range record.Hooks {
		b.WriteString("---\n" + strings.TrimSuffix(hook.Manifest, "\n") + "\n")
	}
	return b.String()
}

// secretValues reads the values of all Secrets. A manifest that cannot be read
// was never applied.
func secretValues(manifests ...string) []string {
	seen := map[string]bool{}
	for _, manifest := range manifests {
		objects, _ := documents(manifest) // see above
		for _, object := range objects {
			if !isSecret(object) {
				continue
			}
			for name, value := range mapOf(object.Object["stringData"]) {
				if text := fmt.Sprint(value); !redact.IsOpen(name, text) {
					seen[text] = true
				}
			}
			for name, value := range mapOf(object.Object["data"]) {
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

// withhold takes the values out of a text.
func withhold(text string, values []string) string {
	return redact.Of(values...).Text(text)
}

func isSecret(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Secret" && object.GetAPIVersion() == "v1"
}

// withheld gives both sides of a change as they may be shown: without what the
// API server keeps for itself, and without the data of Secrets. nil is nothing.
func withheld(before, after *unstructured.Unstructured) (map[string]any, map[string]any) {
	shown := func(object *unstructured.Unstructured) map[string]any {
		if object == nil {
			return nil
		}
		object = object.DeepCopy()
		unstructured.RemoveNestedField(object.Object, "status")
		for _, field := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"} {
			unstructured.RemoveNestedField(object.Object, "metadata", field)
		}
		// It repeats the object, data and all.
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
		return object.Object
	}
	b, a := shown(before), shown(after)
	if before != nil && isSecret(before) || after != nil && isSecret(after) {
		for _, at := range []string{"data", "stringData"} {
			hide(mapOf(b[at]), mapOf(a[at]))
		}
	}
	return b, a
}

// hide replaces the values of both mappings, so that a changed one shows as changed.
func hide(before, after map[string]any) {
	for k, value := range after {
		old, found := before[k]
		after[k] = hidden
		if found && !reflect.DeepEqual(old, value) {
			after[k] = hiddenChange
		}
	}
	for k := range before {
		before[k] = hidden
	}
}
