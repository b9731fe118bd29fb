package release

import (
	"reflect"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// pair is one object in two manifests, nil where it is missing.
type pair struct{ before, after *unstructured.Unstructured }

func (p pair) name() string {
	if p.after != nil {
		return p.after.GetKind() + "/" + p.after.GetName()
	}
	return p.before.GetKind() + "/" + p.before.GetName()
}

// pairs matches objects in the order of the later manifest; what it lacks comes last.
func pairs(before, after []*unstructured.Unstructured) []pair {
	same := func(a, b *unstructured.Unstructured) bool {
		return a.GroupVersionKind().GroupKind() == b.GroupVersionKind().GroupKind() &&
			a.GetNamespace() == b.GetNamespace() && a.GetName() == b.GetName()
	}
	var result []pair
	for _, a := range after {
		p := pair{after: a}
		if i := slices.IndexFunc(before, func(b *unstructured.Unstructured) bool { return same(a, b) }); i >= 0 {
			p.before = before[i]
		}
		result = append(result, p)
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(a *unstructured.Unstructured) bool { return same(a, b) }) {
			result = append(result, pair{before: b})
		}
	}
	return result
}

// objectDiff compares two states of one object, nil for none; "" when what may
// be shown is equal.
func objectDiff(from, to string, before, after *unstructured.Unstructured) string {
	b, a := withheld(before, after)
	return unified(from, to, asYAML(b), asYAML(a))
}

// unified gives a unified diff of two texts, "" when they are equal.
func unified(from, to, before, after string) string {
	// The first line is a command that nobody has run.
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
