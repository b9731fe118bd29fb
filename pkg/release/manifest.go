package release

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// object is what matters here of an object in a manifest. The selector of a
// Service is a plain map; that of a workload is not looked at.
type object struct {
	APIVersion string
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       struct {
		Selector  map[string]any
		ClusterIP string
		Ports     []struct {
			Name string
			Port int
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
		}
	}
}

// isWatched tells whether the rollout of an object decides about a revision.
// Custom resources use the same kinds in other groups.
func isWatched(apiVersion, kind string) bool {
	group, _, _ := strings.Cut(apiVersion, "/")
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return group == "apps"
	case "Job":
		return group == "batch"
	}
	return false
}

func isService(apiVersion, kind string) bool { return apiVersion == "v1" && kind == "Service" }

// applied lists what in a revision's manifest is worth watching, and the
// Services that lead to its Deployments.
func (r *Release) applied(record *helmrelease.Release) (pipeline.Applied, error) {
	result := pipeline.Applied{Revision: r.revision(record)}
	objects, err := parse(record.Manifest)
	if err != nil {
		return result, fmt.Errorf("reading the manifest of revision %d: %w", record.Version, err)
	}
	namespace := func(o object) string {
		if o.Metadata.Namespace != "" {
			return o.Metadata.Namespace
		}
		return record.Namespace
	}
	for _, o := range objects {
		if isWatched(o.APIVersion, o.Kind) {
			result.Workloads = append(result.Workloads, pipeline.Workload{Kind: o.Kind, Namespace: namespace(o), Name: o.Metadata.Name})
		}
		if isService(o.APIVersion, o.Kind) && leadsToDeployment(o, objects) {
			result.Services = append(result.Services, pipeline.Service{Namespace: namespace(o), Name: o.Metadata.Name, Port: httpPort(o)})
		}
	}
	return result, nil
}

func parse(manifest string) ([]object, error) {
	texts := split(manifest)
	objects := make([]object, len(texts))
	for i, text := range texts {
		// A lenient reader: other kinds use the same names for other things.
		if err := yaml.Unmarshal([]byte(text), &objects[i]); err != nil {
			var head struct{ APIVersion, Kind string }
			if headErr := yaml.Unmarshal([]byte(text), &head); headErr != nil {
				return nil, headErr
			}
			if isService(head.APIVersion, head.Kind) || isWatched(head.APIVersion, head.Kind) {
				return nil, fmt.Errorf("%s: %w", head.Kind, err)
			}
		}
	}
	return objects, nil
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

// leadsToDeployment tells whether the Service selects the pods of a Deployment.
func leadsToDeployment(service object, objects []object) bool {
	if len(service.Spec.Selector) == 0 || service.Spec.ClusterIP == "None" || len(service.Spec.Ports) == 0 {
		return false
	}
	return slices.ContainsFunc(objects, func(o object) bool {
		if o.Kind != "Deployment" || !isWatched(o.APIVersion, o.Kind) {
			return false
		}
		for key, value := range service.Spec.Selector {
			if o.Spec.Template.Metadata.Labels[key] != value {
				return false
			}
		}
		return true
	})
}

// httpPort prefers the port named http.
func httpPort(service object) int {
	for _, p := range service.Spec.Ports {
		if p.Name == "http" {
			return p.Port
		}
	}
	return service.Spec.Ports[0].Port
}
