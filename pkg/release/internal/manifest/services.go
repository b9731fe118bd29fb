package manifest

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func isService(o *unstructured.Unstructured) bool {
	return o.GetAPIVersion() == "v1" && o.GetKind() == "Service"
}

// selector is that of a Service, nil for one that selects no pods.
func selector(service *unstructured.Unstructured) map[string]string {
	kind, _, _ := unstructured.NestedString(service.Object, "spec", "type") // the API server says it
	if kind == "ExternalName" {
		return nil
	}
	selector, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector") // see above
	return selector
}

// ports are those of a Service.
func ports(service *unstructured.Unstructured) []map[string]any {
	list, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports") // see above
	var all []map[string]any
	for _, item := range list {
		if port, ok := item.(map[string]any); ok {
			all = append(all, port)
		}
	}
	return all
}

// httpPort prefers the port named http.
func httpPort(service *unstructured.Unstructured) int {
	first := 0
	for _, p := range ports(service) {
		number, _ := p["port"].(int64)
		if p["name"] == "http" {
			return int(number)
		}
		if first == 0 {
			first = int(number)
		}
	}
	return first
}

// Led are the ports of a Service that led to pods of an earlier manifest, as
// "80/TCP".
func Led(service *unstructured.Unstructured, before []*unstructured.Unstructured) []string {
	i := slices.IndexFunc(before, func(o *unstructured.Unstructured) bool {
		return isService(o) && o.GetName() == service.GetName() && o.GetNamespace() == service.GetNamespace()
	})
	if i < 0 || len(selector(before[i])) == 0 {
		return nil
	}
	var to []map[string]any
	for _, o := range before {
		if template := podTemplate(o); record.IsWatched(o.GetAPIVersion(), o.GetKind()) && selects(selector(before[i]), template) {
			to = append(to, template)
		}
	}
	var all []string
	for _, p := range ports(before[i]) {
		protocol, _ := p["protocol"].(string)
		if slices.ContainsFunc(to, func(template map[string]any) bool { return offers(template, p["targetPort"]) }) {
			all = append(all, fmt.Sprintf("%v/%s", p["port"], cmp.Or(protocol, "TCP")))
		}
	}
	return all
}

func selects(selector map[string]string, template map[string]any) bool {
	labels, _, _ := unstructured.NestedStringMap(template, "metadata", "labels") // see above
	for key, value := range selector {
		if have, found := labels[key]; !found || have != value {
			return false
		}
	}
	return true
}

// offers reports whether pods have a port of that name; a number is there always.
func offers(template map[string]any, target any) bool {
	name, named := target.(string)
	if !named {
		return true
	}
	for _, field := range []string{"containers", "initContainers"} {
		containers, _, _ := unstructured.NestedSlice(template, "spec", field) // see above
		for _, c := range containers {
			container, _ := c.(map[string]any)
			list, _ := container["ports"].([]any)
			if slices.ContainsFunc(list, func(p any) bool {
				port, _ := p.(map[string]any)
				return port["name"] == name
			}) {
				return true
			}
		}
	}
	return false
}
