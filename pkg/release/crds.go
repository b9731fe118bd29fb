package release

import (
	"reflect"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// definition is a CustomResourceDefinition of a chart.
type definition struct {
	name     string // of the object
	kind     schema.GroupKind
	versions []string // that are served
	file     string   // that it stands in
}

func (d definition) brings(kind schema.GroupVersionKind) bool {
	return d.kind == kind.GroupKind() && slices.Contains(d.versions, kind.Version)
}

// definitions are those of a YAML stream.
func definitions(text string) []definition {
	var all []definition
	for _, o := range sourced(text) {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")        // "" is no kind
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind") // "" is no kind
		versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")   // none are none
		d := definition{name: o.GetName(), kind: schema.GroupKind{Group: group, Kind: kind}, file: o.source}
		for _, version := range versions {
			if name, _ := mapOf(version)["name"].(string); mapOf(version)["served"] == true {
				d.versions = append(d.versions, name)
			}
		}
		all = append(all, d)
	}
	return all
}

// sameSchemas compares the served versions of two definitions.
func sameSchemas(a, b *unstructured.Unstructured) bool {
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
