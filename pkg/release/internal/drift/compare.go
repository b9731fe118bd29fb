// Package drift compares live objects with their manifests, as the API server would
// make them, says how they differ, and mends what Helm's patches did not. What
// controllers, autoscalers and the API server decide is no difference.
package drift

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/util/retry"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// comparer is whom a dry run of a server-side apply is said to come from.
const comparer = "stagecrew-compare"

// again is how often an object is compared when another client writes it at the same
// time: its controller does that several times in a second while its pods are replaced, and
// what is not mended then would be taken for drift. 2.5 s in all.
var again = wait.Backoff{Steps: 9, Duration: 10 * time.Millisecond, Factor: 2, Jitter: 0.1}

// afterConflict does work again when another client wrote the object meanwhile. The
// library would take a panic of the work for a conflict.
func afterConflict(work func() error) error {
	return retry.RetryOnConflict(again, func() error { return record.Guard(work) })
}

// difference is how one live object differs from its manifest.
type difference struct {
	live, repaired *unstructured.Unstructured
	paths          []string
	// fixed means that the API server would not take the manifest as a whole:
	// some of its fields cannot be changed any more; refused that it would not take
	// even what differs.
	fixed, refused bool
	// going means that the object is being deleted.
	going bool
}

// differenceOf compares the live object with what the API server would make of
// the manifest's, by a dry run of replacing it. found is the object as it was
// read, nil to read it.
func differenceOf(wanted *resource.Info, found *unstructured.Unstructured) (difference, error) {
	var result difference
	err := afterConflict(func() (err error) {
		result, err = differenceOnce(wanted, found)
		found = nil
		return err
	})
	return result, err
}

func differenceOnce(wanted *resource.Info, found *unstructured.Unstructured) (difference, error) {
	var err error
	if found == nil {
		if found, err = live.Get(wanted); err != nil {
			return difference{}, err
		}
	}
	declared, err := live.Content(wanted.Object)
	if err != nil {
		return difference{}, err
	}
	result := difference{live: found, repaired: found, going: found.GetDeletionTimestamp() != nil}
	if result.going {
		return result, nil
	}
	named, writers := asStored(declared.Object), objectdiff.WritersOf(found.GetManagedFields())
	would, err := replaced(wanted, declared, found)
	if apierror.IsRefusal(err) {
		result.fixed = true
		would, err = applied(wanted, declared)
	}
	if apierror.IsRefusal(err) {
		// What the manifest names can still be compared.
		result.refused, writers = true, objectdiff.Writers{}
		would, err = &unstructured.Unstructured{Object: named}, nil
	}
	if err != nil {
		return result, err
	}
	result.look(named, would.Object, writers)
	if len(result.paths) > 0 {
		// Admission may have done to the new object what it does not do to a change.
		if made, err := created(wanted, declared); err == nil {
			fresh := difference{live: found, refused: result.refused}
			if fresh.look(named, made.Object, writers); len(fresh.paths) < len(result.paths) {
				result.paths, result.repaired = fresh.paths, fresh.repaired
			}
		}
	}
	return result, nil
}

// look finds the fields that differ.
func (d *difference) look(declared, would map[string]any, writers objectdiff.Writers) {
	c := objectdiff.Comparison{}
	if !d.refused {
		c.Exclusive = objectdiff.ExclusivePaths(d.live.GetAPIVersion(), d.live.GetKind())
	}
	repaired := c.Compare(declared, would, d.live.Object, writers)
	d.paths, d.repaired = c.Paths, &unstructured.Unstructured{Object: repaired}
}

// created is what the API server would make of the manifest as a new object.
func created(info *resource.Info, declared *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	const longest = 40 // of a name that fits everywhere
	next := declared.DeepCopy()
	next.SetName(strings.TrimRight(info.Name[:min(len(info.Name), longest)], "-.") + "-compared")
	object, err := live.Helper(info).DryRun(true).Create(info.Namespace, false, next)
	if err != nil {
		return nil, err
	}
	return live.Content(object)
}

// replaced is what the API server would make of the manifest's object.
func replaced(info *resource.Info, declared, found *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	next := declared.DeepCopy()
	next.SetResourceVersion(found.GetResourceVersion())
	object, err := live.Helper(info).DryRun(true).Replace(info.Namespace, info.Name, false, next)
	if err != nil {
		return nil, err
	}
	return live.Content(object)
}

// applied is what the API server would make of the live object with all that the
// manifest says.
func applied(info *resource.Info, declared *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	patch, err := declared.MarshalJSON()
	if err != nil {
		return nil, err
	}
	force := true
	object, err := live.Helper(info).WithFieldManager(comparer).DryRun(true).
		Patch(info.Namespace, info.Name, types.ApplyPatchType, patch, &metav1.PatchOptions{Force: &force})
	if err != nil {
		return nil, err
	}
	return live.Content(object)
}

// asStored is a manifest's object with the API server's names: a Secret's
// stringData becomes data.
func asStored(object map[string]any) map[string]any {
	if object["kind"] != "Secret" || object["stringData"] == nil {
		return object
	}
	data := map[string]any{}
	for _, from := range []string{"data", "stringData"} {
		for k, v := range manifest.MapOf(object[from]) {
			data[k] = v
		}
	}
	result := map[string]any{"data": data}
	for k, v := range object {
		if k != "data" {
			result[k] = v
		}
	}
	return result
}
