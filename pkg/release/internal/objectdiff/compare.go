// Package objectdiff compares Kubernetes objects: what was asked for, what the API
// server makes of it, and what is there. It asks neither Helm nor the cluster.
package objectdiff

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// Comparison finds where a live object differs from what the API server would
// make of its manifest. Three things count: what the manifest names and the live
// object has otherwise, what it names and the live object lacks, and what the
// live object has beyond it that Helm or kubectl wrote or, in what runs and where
// it is reached, anybody. Else what controllers fill in does not count, nor does
// what the API server does.
type Comparison struct {
	// Exclusive reports where what goes beyond the manifest counts whoever wrote it, nil
	// for nowhere.
	Exclusive func(path string) bool
	// Paths are where they differ, for example "spec.template.spec.containers[extra]".
	Paths []string
}

// Compare gives the live object as it should be. manifest is what was asked
// for, would what the API server makes of it; all are an object's whole content.
func (c *Comparison) Compare(declared, would, live map[string]any, writers Writers) map[string]any {
	result := maps.Clone(live)
	for _, k := range Keys(would, live) {
		switch k {
		case "apiVersion", "kind", "status":
		case "metadata":
			result[k] = c.metadata(manifest.MapOf(declared[k]), manifest.MapOf(would[k]), manifest.MapOf(live[k]), writers.field(k))
		case "rules":
			if declared["aggregationRule"] == nil { // else a controller fills them in
				c.key(result, k, k, declared, would, live, writers)
			}
		default:
			c.key(result, k, k, declared, would, live, writers)
		}
	}
	return result
}

// templateGeneration is what the API server counts up with each change of a
// DaemonSet's template, a restart among them.
const templateGeneration = "metadata.annotations." + appsv1.DeprecatedTemplateGeneration

// metadata compares labels and annotations; the rest is the API server's.
func (c *Comparison) metadata(declared, would, live map[string]any, writers Writers) map[string]any {
	result := maps.Clone(live)
	for _, k := range []string{"labels", "annotations"} {
		c.key(result, "metadata."+k, k, declared, would, live, writers)
	}
	return result
}

// key compares one key of a mapping and puts what it should be into result.
func (c *Comparison) key(result map[string]any, path, k string, declared, would, live map[string]any, writers Writers) {
	writers = writers.field(k)
	if strings.HasSuffix(path, "metadata.labels") || strings.HasSuffix(path, "metadata.annotations") {
		writers = writers.helmOnly() // kubectl rollout restart, for example
	}
	m, isNamed := declared[k]
	w, isWanted := would[k]
	l, isThere := live[k]
	switch {
	case k == "caBundle", !isNamed && (path == "spec.replicas" || path == rolloutHash), path == templateGeneration:
		// An injector's, an autoscaler's, Argo Rollouts', and the API server's.
	case isWanted && isThere:
		result[k] = c.Value(path, m, w, l, isNamed, writers)
	case isWanted && isNamed:
		c.Paths = append(c.Paths, path)
		result[k] = w
	case isThere && c.isExtra(path, l):
		if anySpared(path, l) {
			result[k] = c.list(path, nil, nil, mappings(l), identities[0], writers)
			return
		}
		c.Paths = append(c.Paths, path)
		delete(result, k)
	case isThere && writers.Any():
		// A mapping may hold entries of several writers.
		if inner, ok := l.(map[string]any); ok && !writers.whole() {
			rest := maps.Clone(inner)
			for _, each := range Keys(inner) {
				c.key(rest, path+"."+each, each, nil, nil, inner, writers)
			}
			if result[k] = rest; len(rest) == 0 {
				delete(result, k)
			}
			return
		}
		c.Paths = append(c.Paths, path)
		delete(result, k)
	}
}

// Value compares what is on both sides.
func (c *Comparison) Value(path string, declared, would, live any, isNamed bool, writers Writers) any {
	if reflect.DeepEqual(would, live) {
		return live
	}
	if w, ok := would.(map[string]any); ok {
		if l, ok := live.(map[string]any); ok {
			result := maps.Clone(l)
			for _, k := range Keys(w, l) {
				c.key(result, path+"."+k, k, manifest.MapOf(declared), w, l, writers)
			}
			return result
		}
	}
	if w, l, ids, ok := items(would, live); ok {
		return c.list(path, declared, w, l, ids, writers)
	}
	if w, l, ok := sameLength(would, live); ok {
		named, _ := declared.([]any)
		result := make([]any, len(w))
		for i := range w {
			m := any(nil)
			if i < len(named) {
				m = named[i]
			}
			result[i] = c.Value(fmt.Sprintf("%s[%d]", path, i), m, w[i], l[i], isNamed, writers)
		}
		return result
	}
	if !isNamed && !writers.Any() && !c.isExclusive(path) {
		return live
	}
	c.Paths = append(c.Paths, path)
	return would
}

// list compares lists whose items have an identity.
func (c *Comparison) list(path string, declared any, would, live []map[string]any, identity []string, writers Writers) []any {
	named, _ := declared.([]any)
	at := func(list []map[string]any, id string) map[string]any {
		for _, item := range list {
			if identify(item, identity) == id {
				return item
			}
		}
		return nil
	}
	asked := map[string]map[string]any{}
	for _, item := range named {
		asked[identify(manifest.MapOf(item), identity)] = manifest.MapOf(item)
	}
	var result []any
	for _, w := range would {
		id := identify(w, identity)
		l, m := at(live, id), asked[id]
		here := path + "[" + strings.TrimSuffix(id, "/") + "]"
		switch {
		case l != nil:
			result = append(result, c.Value(here, m, w, l, m != nil, writers.item(l)))
		case m != nil:
			c.Paths = append(c.Paths, here)
			result = append(result, w)
		}
	}
	for _, l := range live {
		id := identify(l, identity)
		if at(would, id) != nil {
			continue
		}
		here := path + "[" + strings.TrimSuffix(id, "/") + "]"
		if writers.item(l).Any() || c.isExclusive(here) && !isSpared(path, l) {
			c.Paths = append(c.Paths, here)
			continue
		}
		result = append(result, l)
	}
	return result
}

// Keys are those that any of the mappings has, sorted.
func Keys(mappings ...map[string]any) []string {
	all := map[string]bool{}
	for _, m := range mappings {
		for k := range m {
			all[k] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
