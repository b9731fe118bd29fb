package objectdiff

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// FieldManager is who the API server notes as the writer of what Helm writes.
const FieldManager = "stagecrew"

// Writers are what Helm, kubectl and others wrote at one place of an object, as the
// API server keeps it, by whom each has written. An empty set is a thing that is
// written as a whole or, when others have something beneath it, only the place.
// See https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
type Writers struct{ helm, kubectl, others []*fieldpath.Set }

// WritersOf reads who wrote an object. Writes of the status or the scale are not
// about what a manifest says.
func WritersOf(entries []metav1.ManagedFieldsEntry) Writers {
	var result Writers
	for _, entry := range entries {
		set := &fieldpath.Set{}
		if entry.Subresource != "" || entry.FieldsV1 == nil || set.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			continue
		}
		switch {
		case entry.Manager == FieldManager, strings.EqualFold(entry.Manager, "helm"):
			result.helm = append(result.helm, set)
		case strings.HasPrefix(entry.Manager, "kubectl"):
			result.kubectl = append(result.kubectl, set)
		default:
			result.others = append(result.others, set)
		}
	}
	return result
}

// Any reports whether Helm or kubectl wrote here or beneath.
func (o Writers) Any() bool { return len(o.helm)+len(o.kubectl) > 0 }

// whole reports whether what is here is written as one thing.
func (o Writers) whole() bool {
	for _, sets := range [][]*fieldpath.Set{o.helm, o.kubectl, o.others} {
		if slices.ContainsFunc(sets, func(set *fieldpath.Set) bool { return !set.Empty() }) {
			return false
		}
	}
	return o.Any()
}

// helmOnly counts kubectl among the others.
func (o Writers) helmOnly() Writers {
	return Writers{helm: o.helm, others: slices.Concat(o.kubectl, o.others)}
}

// field is who wrote a field of what is here.
func (o Writers) field(name string) Writers {
	element := fieldpath.PathElement{FieldName: &name}
	return o.down(func(set *fieldpath.Set) *fieldpath.Set { return beneath(set, element) })
}

// item is who wrote an item of the list that is here.
func (o Writers) item(item map[string]any) Writers {
	return o.down(func(set *fieldpath.Set) (found *fieldpath.Set) {
		// The library's All cannot be left early.
		look := func(element fieldpath.PathElement) {
			if found == nil && element.Key != nil && identifies(*element.Key, item) {
				found = beneath(set, element)
			}
		}
		set.Children.Iterate(look)
		set.Members.Iterate(look)
		return found
	})
}

// beneath is what a set has at an element, nil for nothing.
func beneath(set *fieldpath.Set, element fieldpath.PathElement) *fieldpath.Set {
	if child, found := set.Children.Get(element); found {
		return child
	}
	if set.Members.Has(element) {
		return &fieldpath.Set{}
	}
	return nil
}

func (o Writers) down(step func(*fieldpath.Set) *fieldpath.Set) Writers {
	whole := o.whole()
	walk := func(sets []*fieldpath.Set) []*fieldpath.Set {
		var result []*fieldpath.Set
		for _, set := range sets {
			if set.Empty() {
				if whole {
					result = append(result, set)
				}
			} else if next := step(set); next != nil {
				result = append(result, next)
			}
		}
		return result
	}
	return Writers{helm: walk(o.helm), kubectl: walk(o.kubectl), others: walk(o.others)}
}

// identifies reports whether an item has the fields of a key.
func identifies(key value.FieldList, item map[string]any) bool {
	for _, field := range key {
		if !value.Equals(field.Value, value.NewValueInterface(item[field.Name])) {
			return false
		}
	}
	return true
}
