// Package remains knows what earlier revisions left in the cluster: whole objects,
// fields of those that are still there, and what cannot go back to what it was.
package remains

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"

	jsonpatch "github.com/evanphx/json-patch"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// Revision is one whose objects may be in the cluster, complete or in part.
type Revision struct {
	Number  int
	Objects []*unstructured.Unstructured
}

// Remains are those of one release.
type Remains struct {
	Owner live.Owner
	Log   *slog.Logger
	// Place gives an object of a manifest its place in the API.
	Place func(*unstructured.Unstructured) (*resource.Info, error)
	// Versioned gives an object its Go type where Kubernetes has one.
	Versioned func(*resource.Info) runtime.Object
}

// Base is one object as all earlier revisions together may have made it, a copy of
// fallback when none had it.
func (r *Remains) Base(earlier []Revision, info *resource.Info, fallback runtime.Object) runtime.Object {
	var sum *unstructured.Unstructured
	for _, revision := range earlier {
		object := find(revision.Objects, info)
		switch {
		case object == nil, sum != nil && reflect.DeepEqual(sum, object):
		case sum == nil:
			sum = object
		default:
			merged, err := overlay(r.Versioned(info), sum, object)
			if err != nil {
				r.Log.Warn("comparing earlier revisions; fields left by one may survive", "object", live.Name(info), "error", err)
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
func overlay(versioned runtime.Object, object, next *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	before, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	var sum []byte
	if isMergedAsJSON(versioned) {
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

// isMergedAsJSON reports whether patches of an object know nothing of its fields, as
// Helm sends them.
func isMergedAsJSON(versioned runtime.Object) bool {
	_, isCustom := versioned.(runtime.Unstructured)
	_, isDefinition := versioned.(*apiextensionsv1.CustomResourceDefinition)
	return isCustom || isDefinition
}
