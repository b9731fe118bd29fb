package objectdiff

import (
	"reflect"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/workload"
)

// The places whose content is the manifest's alone: what runs, and how it is
// reached. A container or an external address that was added there is no work of
// a controller, whatever field manager wrote it: their names are free.
var (
	// Resources are an autoscaler's, like the number of replicas.
	openWorkload = regexp.MustCompile(`\]\.resources(\.|$)`)
	// What the API server and the controllers of clouds fill in.
	openService = regexp.MustCompile(`^spec\.((clusterIPs?|healthCheckNodePort|ipFamil|loadBalancerIP|loadBalancerClass|allocateLoadBalancer|externalTraffic|internalTraffic|trafficD|externalName).*` +
		`|ports\[.*\]\.nodePort)$`)
)

// rolloutHash is by what a progressive rollout narrows a Service
// (https://github.com/argoproj/argo-rollouts).
const rolloutHash = "spec.selector.rollouts-pod-template-hash"

// ExclusivePaths tells where an object of the kind takes nothing beyond its manifest.
func ExclusivePaths(apiVersion, kind string) func(path string) bool {
	if apiVersion == "v1" && kind == "Service" {
		return func(path string) bool { return strings.HasPrefix(path, "spec.") && !openService.MatchString(path) }
	}
	pods, _ := workload.Of(schema.FromAPIVersionAndKind(apiVersion, kind).GroupKind())
	if !pods.Changes {
		return nil
	}
	spec := strings.Join(pods.Template, ".") + ".spec."
	return func(path string) bool {
		return (strings.HasPrefix(path, spec) || path == "spec.paused") && !openWorkload.MatchString(path)
	}
}

func (c *Comparison) isExclusive(path string) bool { return c.Exclusive != nil && c.Exclusive(path) }

// isExtra reports whether a value that was not asked for counts whoever wrote it.
// One that says nothing, such as an empty list, does not.
func (c *Comparison) isExtra(path string, value any) bool {
	if !c.isExclusive(path) || value == nil {
		return false
	}
	v := reflect.ValueOf(value)
	if kind := v.Kind(); kind == reflect.Map || kind == reflect.Slice {
		return v.Len() > 0
	}
	return !v.IsZero()
}

// isSpared reports whether an item is by what a known controller restarts pods
// (https://github.com/stakater/Reloader).
func isSpared(path string, item map[string]any) bool {
	name, _ := item["name"].(string)
	return strings.HasSuffix(path, ".env") && strings.HasPrefix(name, "STAKATER_")
}

// anySpared reports whether a list has such an item.
func anySpared(path string, list any) bool {
	for _, item := range mappings(list) {
		if isSpared(path, item) {
			return true
		}
	}
	return false
}

// mappings are the mappings in a list.
func mappings(list any) []map[string]any {
	values, _ := list.([]any)
	var result []map[string]any
	for _, v := range values {
		if item, ok := v.(map[string]any); ok {
			result = append(result, item)
		}
	}
	return result
}
