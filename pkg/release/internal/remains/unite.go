package remains

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// handlers are the ways of a probe or a hook, of which the API server takes one.
var handlers = []string{"exec", "httpGet", "tcpSocket", "grpc", "sleep"}

// HasContainers reports whether an object of a kind has the containers of pods in it.
func HasContainers(kind string) bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob"}, kind)
}

// Unite adds to what the patch of a workload starts from what somebody else has put in the
// place of one of its values: another kind of probe, a source for a variable that has a value. A patch
// that knows nothing of it would leave both there, which the API server refuses as a whole
// (https://github.com/helm/helm/issues/9051, https://github.com/helm/helm/issues/8994,
// https://github.com/kubernetes/kubernetes/issues/46861). What Kubernetes itself merges so, as volumes and
// strategies, needs no such help.
func Unite(base, wanted, found *unstructured.Unstructured) {
	path := []string{"spec", "template", "spec"}
	if wanted.GetKind() == "CronJob" {
		path = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	for _, list := range []string{"initContainers", "containers"} {
		at := append(slices.Clone(path), list)
		all := named(wanted.Object, at)
		if len(all) == 0 {
			continue
		}
		there, bases := named(found.Object, at), named(base.Object, at)
		for name, container := range all {
			if there[name] != nil && bases[name] != nil {
				uniteContainer(bases[name], container, there[name])
			}
		}
	}
}

// named are the mappings of a list by their names, as they stand in the object.
func named(object map[string]any, path []string) map[string]map[string]any {
	found, _, _ := unstructured.NestedFieldNoCopy(object, path...) // another type has none
	return byName(found)
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
	for _, hook := range []string{"postStart", "preStop"} {
		uniteHandler(within(base, "lifecycle"), within(wanted, "lifecycle"), within(found, "lifecycle"), hook)
	}
	wantedEnv, foundEnv, baseEnv := byName(wanted["env"]), byName(found["env"]), byName(base["env"])
	for name, variable := range wantedEnv {
		if foundEnv[name] == nil || baseEnv[name] == nil {
			continue
		}
		for _, field := range []string{"value", "valueFrom"} {
			taken(baseEnv[name], variable, foundEnv[name], field)
		}
	}
}

// uniteHandler looks at one probe or hook that all three have.
func uniteHandler(base, wanted, found map[string]any, field string) {
	base, wanted, found = within(base, field), within(wanted, field), within(found, field)
	hasOne := slices.ContainsFunc(handlers, func(h string) bool { return wanted[h] != nil })
	if base == nil || found == nil || !hasOne {
		return
	}
	for _, handler := range handlers {
		taken(base, wanted, found, handler)
	}
}

// taken makes a field that is there and not wanted one that the patch takes away.
func taken(base, wanted, found map[string]any, field string) {
	if wanted[field] == nil && found[field] != nil && base[field] == nil {
		base[field] = runtime.DeepCopyJSONValue(found[field])
	}
}

func within(object map[string]any, field string) map[string]any {
	inner, _ := object[field].(map[string]any)
	return inner
}
