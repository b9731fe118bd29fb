package remains

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/workload"
)

// handlers are the ways of a probe or a hook, of which the API server takes one.
var handlers = []string{"exec", "httpGet", "tcpSocket", "grpc", "sleep"}

// alone are the fields of a spec of which the API server takes one, by the kind of the object.
var alone = map[string][]string{"PodDisruptionBudget": {"minAvailable", "maxUnavailable"}}

// Unites reports whether an object of a kind has values of which the API server takes one.
func Unites(kind schema.GroupKind) bool {
	pods, _ := workload.Of(kind)
	return pods.Changes || alone[kind.Kind] != nil
}

// Unite adds to what the patch of an object starts from what another client has put in the
// place of one of its values: another kind of probe, a source for a variable that has a value, the
// other number of a budget. A patch that knows nothing of it would leave both there, which the API server
// refuses as a whole (https://github.com/helm/helm/issues/9051, https://github.com/helm/helm/issues/8994,
// https://github.com/kubernetes/kubernetes/issues/46861). What Kubernetes itself merges so, as volumes and
// strategies, needs no such help.
func Unite(base, wanted, found *unstructured.Unstructured) {
	for _, field := range alone[wanted.GetKind()] {
		taken(within(base.Object, "spec"), within(wanted.Object, "spec"), within(found.Object, "spec"), field)
	}
	kind, _ := workload.Of(wanted.GroupVersionKind().GroupKind())
	if !kind.Changes {
		return
	}
	path := append(slices.Clone(kind.Template), "spec")
	bases := base.Object
	for _, field := range path {
		bases = childOf(bases, field)
	}
	for _, list := range []string{"initContainers", "containers"} {
		at := append(slices.Clone(path), list)
		wants, _, _ := unstructured.NestedFieldNoCopy(wanted.Object, at...) // another type has none
		finds, _, _ := unstructured.NestedFieldNoCopy(found.Object, at...)
		each(bases, list, wants, finds, uniteContainer)
	}
}

// each does something with the items of three lists that have the same name; what the base
// does not have it gets: of it only what is taken away counts.
func each(base map[string]any, list string, wanted, found any, do func(base, wanted, found map[string]any)) {
	there := byName(found)
	for name, item := range byName(wanted) {
		if there[name] == nil {
			continue
		}
		own := byName(base[list])[name]
		if own == nil {
			own = map[string]any{"name": name}
		}
		before := len(own)
		do(own, item, there[name])
		if items, _ := base[list].([]any); byName(items)[name] == nil && len(own) > before {
			base[list] = append(items, own)
		}
	}
}

func byName(list any) map[string]map[string]any {
	items, _ := list.([]any)
	all := map[string]map[string]any{}
	for _, item := range items {
		if item, ok := item.(map[string]any); ok {
			if name, _ := item["name"].(string); name != "" {
				all[name] = item
			}
		}
	}
	return all
}

func uniteContainer(base, wanted, found map[string]any) {
	for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		uniteHandler(base, wanted, found, probe)
	}
	if hooks := within(wanted, "lifecycle"); hooks != nil && within(found, "lifecycle") != nil {
		own := childOf(map[string]any{"lifecycle": base["lifecycle"]}, "lifecycle")
		for _, hook := range []string{"postStart", "preStop"} {
			uniteHandler(own, hooks, within(found, "lifecycle"), hook)
		}
		if len(own) > 0 {
			base["lifecycle"] = own
		}
	}
	each(base, "env", wanted["env"], found["env"], func(base, wanted, found map[string]any) {
		for _, field := range []string{"value", "valueFrom"} {
			if wanted["value"] != nil || wanted["valueFrom"] != nil {
				taken(base, wanted, found, field)
			}
		}
	})
}

// uniteHandler looks at one probe or hook that is wanted and there.
func uniteHandler(base, wanted, found map[string]any, field string) {
	wants, finds := within(wanted, field), within(found, field)
	if finds == nil || !slices.ContainsFunc(handlers, func(h string) bool { return wants[h] != nil }) {
		return
	}
	own := childOf(map[string]any{field: base[field]}, field)
	for _, handler := range handlers {
		taken(own, wants, finds, handler)
	}
	if len(own) > 0 {
		base[field] = own
	}
}

// taken makes a field that is there and not wanted one that the patch takes away.
func taken(base, wanted, found map[string]any, field string) {
	if base != nil && wanted[field] == nil && found[field] != nil && base[field] == nil {
		base[field] = runtime.DeepCopyJSONValue(found[field])
	}
}

func within(object map[string]any, field string) map[string]any {
	inner, _ := object[field].(map[string]any)
	return inner
}

// childOf is a mapping in an object, which gets an empty one where it has none.
func childOf(object map[string]any, field string) map[string]any {
	inner := within(object, field)
	if inner == nil {
		inner = map[string]any{}
		object[field] = inner
	}
	return inner
}
