package release

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// owners are the fields that Helm, kubectl and others wrote, at one place of an
// object, as the API server keeps them: "f:NAME" is a field, "k:{…}" an item of a
// list. An empty mapping is a thing that is written as a whole or, when others
// have something beneath it, only the place.
// See https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
type owners struct{ helm, kubectl, others []map[string]any }

// writersOf reads who wrote an object. Writes of the status or the scale are not
// about what a manifest says.
func writersOf(entries []metav1.ManagedFieldsEntry) owners {
	var result owners
	for _, entry := range entries {
		tree := map[string]any{}
		if entry.Subresource != "" || entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &tree) != nil {
			continue
		}
		switch {
		case entry.Manager == fieldManager, strings.EqualFold(entry.Manager, "helm"):
			result.helm = append(result.helm, tree)
		case strings.HasPrefix(entry.Manager, "kubectl"):
			result.kubectl = append(result.kubectl, tree)
		default:
			result.others = append(result.others, tree)
		}
	}
	return result
}

// any reports whether Helm or kubectl wrote here or beneath.
func (o owners) any() bool { return len(o.helm)+len(o.kubectl) > 0 }

// whole reports whether what is here is written as one thing.
func (o owners) whole() bool {
	for _, trees := range [][]map[string]any{o.helm, o.kubectl, o.others} {
		for _, tree := range trees {
			if len(tree) > 0 {
				return false
			}
		}
	}
	return o.any()
}

// helmOnly counts kubectl among the others.
func (o owners) helmOnly() owners {
	return owners{helm: o.helm, others: slices.Concat(o.kubectl, o.others)}
}

func (o owners) field(name string) owners {
	return o.down(func(tree map[string]any) any { return tree["f:"+name] })
}

func (o owners) item(item map[string]any) owners {
	return o.down(func(tree map[string]any) any {
		for key, beneath := range tree {
			identity := map[string]any{}
			text, found := strings.CutPrefix(key, "k:")
			if found && json.Unmarshal([]byte(text), &identity) == nil && holds(item, identity) {
				return beneath
			}
		}
		return nil
	})
}

func (o owners) down(step func(map[string]any) any) owners {
	whole := o.whole()
	walk := func(trees []map[string]any) []map[string]any {
		var result []map[string]any
		for _, tree := range trees {
			if len(tree) == 0 {
				if whole {
					result = append(result, tree)
				}
			} else if beneath, ok := step(tree).(map[string]any); ok {
				result = append(result, beneath)
			}
		}
		return result
	}
	return owners{helm: walk(o.helm), kubectl: walk(o.kubectl), others: walk(o.others)}
}

// holds reports whether an item has the identity; JSON's numbers have two types here.
func holds(item, identity map[string]any) bool {
	for k, want := range identity {
		got := item[k]
		if number, ok := got.(int64); ok {
			got = float64(number)
		}
		if !reflect.DeepEqual(got, want) {
			return false
		}
	}
	return true
}
