package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	helmkube "helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"
)

const (
	// atOnce bounds the objects that are looked at side by side.
	atOnce = 8
	// attempts is how often an object is compared when somebody else writes it
	// at the same time.
	attempts = 4
	// comparer is whom a dry run of a server-side apply is said to come from.
	comparer = "stagecrew-compare"
)

// difference is how one live object differs from its manifest.
type difference struct {
	live, repaired *unstructured.Unstructured
	paths          []string
	// fixed means that the API server would not take the manifest as a whole:
	// some of its fields cannot be changed any more.
	fixed bool
}

// difference compares the live object with what the API server would make of
// the manifest's, by a dry run of replacing it.
func (c *client) difference(ctx context.Context, wanted *resource.Info) (difference, error) {
	for attempt := 1; ; attempt++ {
		result, err := differenceOnce(wanted)
		if !apierrors.IsConflict(err) || attempt == attempts || ctx.Err() != nil {
			return result, err
		}
	}
}

func differenceOnce(wanted *resource.Info) (difference, error) {
	found, err := live(wanted)
	if err != nil {
		return difference{}, err
	}
	manifest, err := content(wanted.Object)
	if err != nil {
		return difference{}, err
	}
	result := difference{live: found, repaired: found}
	would, err := replaced(wanted, manifest, found)
	if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsMethodNotSupported(err) {
		result.fixed = true
		would, err = applied(wanted, manifest)
	}
	if err != nil {
		return result, err
	}
	named := asStored(manifest.Object)
	c := comparison{}
	repaired := c.compare(named, would.Object, found.Object, writersOf(found.GetManagedFields()))
	result.paths = c.paths
	result.repaired = &unstructured.Unstructured{Object: repaired}
	return result, nil
}

// replaced is what the API server would make of the manifest's object.
func replaced(info *resource.Info, manifest, found *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	next := manifest.DeepCopy()
	next.SetResourceVersion(found.GetResourceVersion())
	object, err := helper(info).DryRun(true).Replace(info.Namespace, info.Name, false, next)
	if err != nil {
		return nil, err
	}
	return content(object)
}

// applied is what the API server would make of the live object with all that the
// manifest says.
func applied(info *resource.Info, manifest *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	patch, err := manifest.MarshalJSON()
	if err != nil {
		return nil, err
	}
	force := true
	object, err := helper(info).WithFieldManager(comparer).DryRun(true).
		Patch(info.Namespace, info.Name, types.ApplyPatchType, patch, &metav1.PatchOptions{Force: &force})
	if err != nil {
		return nil, err
	}
	return content(object)
}

// asStored is a manifest's object with the API server's names: a Secret's
// stringData becomes data.
func asStored(object map[string]any) map[string]any {
	if object["kind"] != "Secret" || object["stringData"] == nil {
		return object
	}
	data := map[string]any{}
	for _, from := range []string{"data", "stringData"} {
		for k, v := range mapOf(object[from]) {
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

// repair makes the live objects what their manifest says where Helm's patches
// did not, and says in one line each what it did.
func (c *client) repair(ctx context.Context) ([]string, error) {
	wanted := c.work.wanted.Filter(c.work.updated.Contains)
	lines := make([]string, len(wanted))
	err := each(ctx, wanted, func(i int, info *resource.Info) error {
		line, err := c.repairOne(ctx, info)
		lines[i] = line
		return err
	})
	return slices.DeleteFunc(lines, func(line string) bool { return line == "" }), err
}

func (c *client) repairOne(ctx context.Context, info *resource.Info) (string, error) {
	for attempt := 1; ; attempt++ {
		d, err := c.difference(ctx, info)
		if apierrors.IsNotFound(err) {
			return "", nil // somebody removed it meanwhile: the rollout's matter
		}
		if err != nil {
			return "", fmt.Errorf("comparing %s with its manifest: %w", named(info), discreet(info, err))
		}
		what := named(info) + ": " + strings.Join(d.paths, ", ")
		switch {
		case len(d.paths) == 0:
			return "", nil
		case d.fixed || holdsData(info.Mapping.GroupVersionKind.Kind) || !c.owns(d.live):
			return what + ": not as in the manifest, and left so: it cannot be changed in place", nil
		}
		_, err = helper(info).Replace(info.Namespace, info.Name, false, d.repaired)
		if err == nil {
			return what + ": made as in the manifest again", nil
		}
		if !apierrors.IsConflict(err) || attempt == attempts {
			return "", fmt.Errorf("repairing %s: %w", named(info), discreet(info, err))
		}
	}
}

// discreet is an error without the API server's words when the object is a
// Secret: they may repeat its content.
func discreet(info *resource.Info, err error) error {
	reason := apierrors.ReasonForError(err)
	if info.Mapping.GroupVersionKind.Kind != "Secret" || reason == metav1.StatusReasonUnknown {
		return err
	}
	return fmt.Errorf("the API server refused it as %s; its message is withheld", reason) //nolint:err113 // made of an error
}

// each calls do for all objects, a few side by side, and gives all errors.
func each(ctx context.Context, infos helmkube.ResourceList, do func(int, *resource.Info) error) error {
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	errs := make([]error, len(infos))
	for i, info := range infos {
		free <- struct{}{}
		if errs[i] = ctx.Err(); errs[i] != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-free }()
			errs[i] = do(i, info)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
