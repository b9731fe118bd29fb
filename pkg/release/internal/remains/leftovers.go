package remains

import (
	"context"
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

// Leftover is an object that an earlier revision made and that is in the
// manifest of none since.
type Leftover struct {
	Info     *resource.Info
	Revision int  // the newest that had it
	Data     bool // it is never removed, because data would go with it
}

// Leftovers finds what earlier revisions left and the present one, which is target,
// does not have.
func (r *Remains) Leftovers(target []*resource.Info, earlier []Revision) ([]Leftover, error) {
	var result []Leftover
	present := map[types.UID]bool{}
	for _, info := range target {
		if object, err := meta.Accessor(info.Object); err == nil {
			present[object.GetUID()] = true
		}
	}
	seen := map[string]bool{}
	for _, info := range target {
		seen[live.Key(info)] = true
	}
	for _, revision := range slices.Backward(earlier) {
		for _, object := range revision.Objects {
			info, err := r.Place(object)
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
			case apierrors.IsNotFound(err), err == nil && (present[found.GetUID()] || r.stays(found)):
				continue
			case err != nil:
				return nil, fmt.Errorf("looking for %s of revision %d: %w", live.Name(info), revision.Number, err)
			}
			result = append(result, Leftover{live.With(info, found), revision.Number, live.HoldsData(found.GetKind())})
		}
	}
	return result, nil
}

// stays reports whether a live object is not this release's to remove.
func (r *Remains) stays(object *unstructured.Unstructured) bool {
	return !r.Owner.Owns(object) || object.GetDeletionTimestamp() != nil || live.IsKept(object)
}

// Remove removes what earlier revisions left, and says in one line each what it did.
func Remove(found []Leftover) ([]string, error) {
	var lines []string
	var errs []error
	for _, l := range found {
		if l.Data {
			lines = append(lines, keptLine(l.Info, l.Revision))
			continue
		}
		if err := remove(l.Info); err != nil {
			errs = append(errs, fmt.Errorf("removing %s, left over from revision %d: %w", live.Name(l.Info), l.Revision, err))
			continue
		}
		lines = append(lines, fmt.Sprintf("removed %s, left over from revision %d", live.Name(l.Info), l.Revision))
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

// WithoutForeign leaves out what is about to be removed and belongs to another
// release by now (https://github.com/helm/helm/issues/10983), and says so in one line
// each.
func (r *Remains) WithoutForeign(ctx context.Context, going []*resource.Info) (ours []*resource.Info, lines []string, err error) {
	said := make([]string, len(going))
	err = live.Each(ctx, going, func(i int, info *resource.Info) error {
		found, err := live.Get(info)
		if err != nil {
			return live.IgnoreMissing(err)
		}
		owner := live.OwnerOf(found)
		if owner.Name != "" && !r.Owner.Owns(found) {
			said[i] = fmt.Sprintf("left %s in place: it belongs to release %q of namespace %q now", live.Name(info), owner.Name, owner.Namespace)
		}
		return nil
	})
	for i, info := range going {
		if said[i] == "" {
			ours = append(ours, info)
		} else {
			lines = append(lines, said[i])
		}
	}
	return ours, lines, err
}
