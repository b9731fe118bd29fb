// Package manifest reads what a revision consists of: its objects, what of them is
// worth watching, the Secrets they make and use, and what in them cannot work. It
// asks neither Helm nor the cluster.
package manifest

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// expires reports whether Kubernetes removes an object after its end.
func expires(o *unstructured.Unstructured) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "ttlSecondsAfterFinished") // another type counts as none
	return found && o.GetKind() == "Job"
}

// Split gives the documents of a YAML stream in their order.
func Split(manifest string) []string {
	var texts []string
	for _, text := range separator.Split(strings.TrimSpace(manifest), -1) {
		if text != "" {
			texts = append(texts, strings.TrimSpace(text))
		}
	}
	return texts
}

// separator is where Helm ends a document: its records are read as it reads them.
var separator = regexp.MustCompile(`(?:^|\s*\n)---\s*`)

// Objects gives the objects of a manifest with all their fields; those of a
// List count as its own.
func Objects(manifest string) ([]*unstructured.Unstructured, error) {
	var result []*unstructured.Unstructured
	for _, text := range Split(manifest) {
		asJSON, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			return nil, err
		}
		if string(asJSON) == "null" {
			continue
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(asJSON); err != nil {
			return nil, err
		}
		if !object.IsList() {
			result = append(result, object)
			continue
		}
		if err := object.EachListItem(func(item runtime.Object) error {
			u, ok := item.(*unstructured.Unstructured)
			if !ok {
				return fmt.Errorf("reading an item of a %s: it is no object", object.GetKind())
			}
			result = append(result, u)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// MapOf is a value that is a mapping, nil for another one.
func MapOf(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}
