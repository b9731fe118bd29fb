package release

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	jsonpatch "github.com/evanphx/json-patch"
	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// earlier is a revision whose objects may be in the cluster, complete or in part.
type earlier struct {
	version int
	objects []*unstructured.Unstructured
}

// earlierRevisions gives, oldest first, the revisions since the last one that is
// known to have been applied as a whole. The newest is the one being made.
func (c *client) earlierRevisions() ([]earlier, error) {
	return c.revisions(func(records []*helmrelease.Release) []*helmrelease.Release {
		records = records[:max(len(records)-1, 0)]
		return records[c.complete(records):]
	})
}

// revisions reads the manifests of those records, oldest first, that are chosen.
func (c *client) revisions(choose func([]*helmrelease.Release) []*helmrelease.Release) ([]earlier, error) {
	records, err := c.records.History(c.owner.Name)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return a.Version - b.Version })
	var result []earlier
	for _, stored := range choose(records) {
		objects, err := manifest.Objects(stored.Manifest)
		if err != nil {
			c.log.Warn("reading the manifest of an earlier revision; what it left is not looked for", "revision", stored.Version)
			continue
		}
		result = append(result, earlier{stored.Version, objects})
	}
	return result, nil
}

// complete is the index of the newest record whose objects are all in the
// cluster and behind which nothing is left: proven good or, of a release that
// was never judged, deployed.
func (c *client) complete(records []*helmrelease.Release) int {
	said := c.notary.Statements(verdictRecords(records))
	proven := func(r *helmrelease.Release) bool { return said[r.Version].Mark == record.MarkGood }
	deployed := func(r *helmrelease.Release) bool { return r.Info.Status == helmrelease.StatusDeployed }
	start := 0
	for _, is := range []func(*helmrelease.Release) bool{deployed, proven} {
		for i, r := range records {
			if is(r) {
				start = i
			}
		}
	}
	return start
}

// bases are the originals that Helm's three-way patches start from. Helm takes
// the last deployed revision, or the last one; fields that a revision between
// them left half-way would survive (https://github.com/helm/helm/issues/13346).
// Where Helm finds no original it takes the live object, and its patch would
// remove what the API server filled in.
func (c *client) bases(original, target helmkube.ResourceList) (helmkube.ResourceList, error) {
	var going helmkube.ResourceList
	for _, info := range original {
		// What is in no target Helm deletes. Going back must not cost data.
		if isData := live.HoldsData(info.Mapping.GroupVersionKind.Kind); !target.Contains(info) && (!c.isRollback || !isData) {
			going = append(going, info)
		}
	}
	result, err := c.withoutForeign(going)
	if err != nil {
		return nil, err
	}
	for _, info := range target {
		result = append(result, live.With(info, c.base(original, info)))
	}
	return result, nil
}

// base is one object as all earlier revisions together may have made it.
func (c *client) base(original helmkube.ResourceList, info *resource.Info) runtime.Object {
	fallback := info.Object
	if o := original.Get(info); o != nil {
		fallback = o.Object
	}
	var sum *unstructured.Unstructured
	for _, revision := range c.lastUpdate.earlier {
		object := find(revision.objects, info)
		switch {
		case object == nil, sum != nil && reflect.DeepEqual(sum, object):
		case sum == nil:
			sum = object
		default:
			merged, err := overlay(info, sum, object)
			if err != nil {
				c.log.Warn("comparing earlier revisions; fields left by one may survive", "object", live.Name(info), "error", err)
				return fallback.DeepCopyObject()
			}
			sum = merged
		}
	}
	if sum == nil {
		return fallback.DeepCopyObject()
	}
	return sum.DeepCopy()
}

// overlay merges next into object as the API server would merge a patch.
func overlay(info *resource.Info, object, next *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	before, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	versioned := helmkube.AsVersioned(info)
	_, isCustom := versioned.(runtime.Unstructured)
	_, isDefinition := versioned.(*apiextensionsv1.CustomResourceDefinition)
	var sum []byte
	if isCustom || isDefinition {
		sum, err = jsonpatch.MergePatch(before, after)
	} else {
		sum, err = strategicpatch.StrategicMergePatch(before, after, versioned)
	}
	if err != nil {
		return nil, fmt.Errorf("merging: %w", err)
	}
	merged := &unstructured.Unstructured{}
	return merged, merged.UnmarshalJSON(sum)
}

// find gives the object of a manifest at info's place, nil for none. A manifest
// need not name the namespace.
func find(objects []*unstructured.Unstructured, info *resource.Info) *unstructured.Unstructured {
	for _, o := range objects {
		kind := o.GroupVersionKind().GroupKind()
		if kind == info.Mapping.GroupVersionKind.GroupKind() && o.GetName() == info.Name &&
			(o.GetNamespace() == "" || o.GetNamespace() == info.Namespace) {
			return o
		}
	}
	return nil
}
