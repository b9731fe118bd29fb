package release

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// leftover is an object that an earlier revision made and that is in the
// manifest of none since.
type leftover struct {
	info     *resource.Info
	revision int  // the newest that had it
	data     bool // it is never removed, because data would go with it
}

// leftovers finds what earlier revisions left and the present one does not have.
func (c *client) leftovers() ([]leftover, error) {
	var result []leftover
	present := map[types.UID]bool{}
	for _, info := range c.lastUpdate.target {
		if object, err := meta.Accessor(info.Object); err == nil {
			present[object.GetUID()] = true
		}
	}
	seen := map[string]bool{}
	for _, info := range c.lastUpdate.target {
		seen[live.Key(info)] = true
	}
	for _, revision := range slices.Backward(c.lastUpdate.earlier) {
		for _, object := range revision.objects {
			info, err := c.place(object)
			if meta.IsNoMatchError(err) {
				continue // with the kind went its objects
			}
			if err != nil {
				return nil, err
			}
			if seen[live.Key(info)] {
				continue
			}
			seen[live.Key(info)] = true
			found, err := live.Get(info)
			switch {
			case apierrors.IsNotFound(err), err == nil && (present[found.GetUID()] || c.stays(found)):
				continue
			case err != nil:
				return nil, fmt.Errorf("looking for %s of revision %d: %w", live.Name(info), revision.version, err)
			}
			result = append(result, leftover{live.With(info, found), revision.version, live.HoldsData(found.GetKind())})
		}
	}
	return result, nil
}

// stays reports whether a live object is not this release's to remove.
func (c *client) stays(object *unstructured.Unstructured) bool {
	return !c.owner.Owns(object) || object.GetDeletionTimestamp() != nil || live.IsKept(object)
}

// place gives an object of a manifest its place in the API.
func (c *client) place(object *unstructured.Unstructured) (*resource.Info, error) {
	asJSON, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	infos, err := c.Client.Build(bytes.NewReader(asJSON), false)
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("reading %s: %w", object.GetKind(), live.ErrNoContent)
	}
	return infos[0], nil
}

// removeLeftovers removes what earlier revisions left, and says in one line each
// what it did.
func (c *client) removeLeftovers() ([]string, error) {
	found, err := c.leftovers()
	if err != nil {
		return nil, err
	}
	var lines []string
	var errs []error
	for _, l := range found {
		if l.data {
			lines = append(lines, keptLine(l.info, l.revision))
			continue
		}
		if err := remove(l.info); err != nil {
			errs = append(errs, fmt.Errorf("removing %s, left over from revision %d: %w", live.Name(l.info), l.revision, err))
			continue
		}
		lines = append(lines, fmt.Sprintf("removed %s, left over from revision %d", live.Name(l.info), l.revision))
	}
	return lines, errors.Join(errs...)
}

func keptLine(info *resource.Info, revision int) string {
	return fmt.Sprintf("left %s of revision %d in place, because data may go with it; remove it by hand if nobody needs it", live.Name(info), revision)
}

// remove deletes exactly the object that was seen.
func remove(info *resource.Info) error {
	err := live.Delete(info, metav1.DeletePropagationBackground)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another one by that name
	}
	return err
}
