package release

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// annotationWait with the value "false" says of a Job that its end is not waited for,
// and of a hook that the pods' readiness is not.
const annotationWait = "stagecrew.dev/wait"

// applied lists what in a revision's manifest is worth watching.
func (r *Release) applied(stored *helmrelease.Release) (record.Applied, error) {
	result := record.Applied{Revision: r.revision(stored)}
	objects, err := documents(stored.Manifest)
	if err != nil {
		return result, fmt.Errorf("reading the manifest of revision %d: %w", stored.Version, err)
	}
	result.Later = later(stored, objects, result.Revision.Image)
	before := r.before(stored)
	for _, o := range objects {
		namespace := cmp.Or(o.GetNamespace(), stored.Namespace)
		switch named := o.GetKind() + "/" + o.GetName(); {
		case o.GetKind() == "Job" && o.GetAnnotations()[annotationWait] == "false":
			result.Unwatched = append(result.Unwatched, named+" is not waited for, as its annotation "+annotationWait+" says")
		case record.IsWatched(o.GetAPIVersion(), o.GetKind()):
			result.Workloads = append(result.Workloads, record.Workload{Kind: o.GetKind(), Namespace: namespace, Name: o.GetName(), Expires: expiring(o)})
		case makesPods(o):
			group, _, _ := strings.Cut(o.GetAPIVersion(), "/")
			result.Unwatched = append(result.Unwatched, fmt.Sprintf("%s.%s/%s makes pods, and its rollout cannot be watched", o.GetKind(), group, o.GetName()))
		case isService(o) && len(selector(o)) > 0:
			result.Services = append(result.Services, record.Service{Namespace: namespace, Name: o.GetName(), Port: httpPort(o), Led: led(o, before)})
		}
	}
	return result, nil
}

// before are the objects of the last revision before this one that Helm could apply.
func (r *Release) before(stored *helmrelease.Release) []*unstructured.Unstructured {
	if r.helm == nil {
		return nil
	}
	records, err := r.helm.config.Releases.History(r.Name)
	if err != nil {
		return nil // then the Services are judged by themselves
	}
	var last *helmrelease.Release
	for _, other := range records {
		done := other.Info.Status == helmrelease.StatusSuperseded || other.Info.Status == helmrelease.StatusDeployed
		if done && other.Version < stored.Version && (last == nil || other.Version > last.Version) {
			last = other
		}
	}
	if last == nil {
		return nil
	}
	objects, _ := documents(last.Manifest) // Helm has applied it
	return objects
}

// expiring reports whether Kubernetes removes an object after its end.
func expiring(o *unstructured.Unstructured) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "ttlSecondsAfterFinished") // another type counts as none
	return found && o.GetKind() == "Job"
}

// split gives the documents of a YAML stream in their order.
func split(manifest string) []string {
	documents := releaseutil.SplitManifests(manifest)
	names := make([]string, 0, len(documents))
	for name := range documents {
		names = append(names, name)
	}
	sort.Sort(releaseutil.BySplitManifestsOrder(names))
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = documents[name]
	}
	return texts
}

// documents gives the objects of a manifest with all their fields; those of a
// List count as its own.
func documents(manifest string) ([]*unstructured.Unstructured, error) {
	var result []*unstructured.Unstructured
	for _, text := range split(manifest) {
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
			u, err := content(item)
			result = append(result, u)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return result, nil
}

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

// led are the ports of a Service that led to pods of an earlier manifest, as
// "80/TCP".
func led(service *unstructured.Unstructured, before []*unstructured.Unstructured) []string {
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
