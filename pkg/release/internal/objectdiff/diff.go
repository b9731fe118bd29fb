package objectdiff

import (
	"reflect"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// pair is one object in two manifests, nil where it is missing.
type pair struct{ Before, After *unstructured.Unstructured }

func (p pair) Name() string {
	if p.After != nil {
		return p.After.GetKind() + "/" + p.After.GetName()
	}
	return p.Before.GetKind() + "/" + p.Before.GetName()
}

// Pairs matches objects in the order of the later manifest; what it lacks comes last.
func Pairs(before, after []*unstructured.Unstructured) []pair {
	same := func(a, b *unstructured.Unstructured) bool {
		return a.GroupVersionKind().GroupKind() == b.GroupVersionKind().GroupKind() &&
			a.GetNamespace() == b.GetNamespace() && a.GetName() == b.GetName()
	}
	var result []pair
	for _, a := range after {
		p := pair{After: a}
		if i := slices.IndexFunc(before, func(b *unstructured.Unstructured) bool { return same(a, b) }); i >= 0 {
			p.Before = before[i]
		}
		result = append(result, p)
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(a *unstructured.Unstructured) bool { return same(a, b) }) {
			result = append(result, pair{Before: b})
		}
	}
	return result
}

// Unified compares two states of one object, nil for none; "" when what may
// be shown is equal.
func Unified(from, to string, before, after *unstructured.Unstructured) string {
	b, a := shown(before, after)
	return unified(from, to, asYAML(b), asYAML(a))
}

// unified gives a unified diff of two texts, "" when they are equal.
func unified(from, to, before, after string) string {
	// The first line is a command that was not run.
	_, text, _ := strings.Cut(string(diff.Diff(from, []byte(before), to, []byte(after))), "\n")
	return text
}

func asYAML(object map[string]any) string {
	if object == nil {
		return ""
	}
	out, err := yaml.Marshal(object)
	if err != nil {
		return ""
	}
	return string(out)
}

const (
	// hidden stands for what is not shown.
	hidden = "(withheld)"
	// hiddenChange stands for what is not shown and differs from before.
	hiddenChange = "(withheld, changed)"
)

// shown gives both sides of a change as they may be shown: without what the
// API server keeps for itself, and without the data of Secrets. nil is nothing.
func shown(before, after *unstructured.Unstructured) (map[string]any, map[string]any) {
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
	if before != nil && manifest.IsSecret(before) || after != nil && manifest.IsSecret(after) {
		for _, at := range []string{"data", "stringData"} {
			hide(manifest.MapOf(b[at]), manifest.MapOf(a[at]))
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
