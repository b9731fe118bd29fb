package manifest

import (
	"reflect"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// CRD is a CustomResourceDefinition of a chart.
type CRD struct {
	Name     string // of the object
	Kind     schema.GroupKind
	versions []string // that are served
	File     string   // that it stands in
}

// Serves reports whether objects of the kind, in its version, can be made once it is there.
func (d CRD) Serves(kind schema.GroupVersionKind) bool {
	return d.Kind == kind.GroupKind() && slices.Contains(d.versions, kind.Version)
}

// CRDs are those of a YAML stream.
func CRDs(text string) []CRD {
	var all []CRD
	for _, o := range withSources(text) {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")        // "" is no kind
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind") // "" is no kind
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")   // none are none
		d := CRD{Name: o.GetName(), Kind: schema.GroupKind{Group: group, Kind: kind}, File: o.source}
		for _, version := range versions {
			if name, _ := MapOf(version)["name"].(string); MapOf(version)["served"] == true {
				d.versions = append(d.versions, name)
			}
		}
		all = append(all, d)
	}
	return all
}

// SameSchemas compares the served versions of two definitions.
func SameSchemas(a, b *unstructured.Unstructured) bool {
	schemas := func(object *unstructured.Unstructured) map[string]any {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, definition) != nil {
			return nil
		}
		served := map[string]any{}
		for _, version := range definition.Spec.Versions {
			if version.Served {
				served[version.Name] = version.Schema
			}
		}
		return served
	}
	return reflect.DeepEqual(schemas(a), schemas(b))
}
