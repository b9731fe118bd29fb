package drift

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// Comparer compares the objects of one release. It remembers, between changes, what
// was not written since it was what its manifest says.
type Comparer struct {
	Owner  live.Owner
	Client kubernetes.Interface // for what others decide: autoscalers
	Log    *slog.Logger

	approvals approvals
}

// Changes are those that would make the live objects equal to their manifests; none
// when they are.
func (c *Comparer) Changes(ctx context.Context, wanted []*resource.Info) ([]record.Change, error) {
	for _, info := range wanted {
		if object, err := live.Content(info.Object); err == nil {
			c.Owner.Claim(object)
		}
	}
	asked := numbers(wanted)
	// Only the targets are changed: these are not sent anywhere.
	if err := c.LeaveReplicas(ctx, wanted, nil); err != nil {
		return nil, err
	}
	there := live.Read(ctx, wanted)
	found := make([]*record.Change, len(wanted))
	err := live.Each(ctx, wanted, func(i int, info *resource.Info) (err error) {
		number, hasNumber := asked[live.Key(info)]
		if there[i] == nil && hasNumber {
			there[i], _ = live.Get(info) // what is wrong with it is said below
		}
		if found[i], err = c.driftOf(info, there[i]); err != nil || !hasNumber {
			return err
		}
		found[i], err = c.scaledToZero(ctx, found[i], info, there[i], number, wanted)
		return err
	})
	if err != nil {
		return nil, err
	}
	var changes []record.Change
	for _, change := range found {
		if change != nil {
			changes = append(changes, *change)
		}
	}
	return changes, nil
}

func (c *Comparer) driftOf(info *resource.Info, found *unstructured.Unstructured) (*record.Change, error) {
	if found != nil && c.isUnchanged(info, found) {
		return nil, nil
	}
	d, err := differenceOf(info, found)
	switch {
	case (apierrors.IsNotFound(err) || err == nil && d.going) && expires(info):
		return nil, nil // its time is over
	case apierrors.IsNotFound(err):
		object, err := live.Content(info.Object)
		return &record.Change{Object: live.Name(info), Action: record.ActionCreate, Note: "is gone", Diff: objectdiff.Unified("live", "manifest", nil, object)}, err
	case err != nil:
		return nil, fmt.Errorf("comparing %s: %w", live.Name(info), apierror.WithoutServerMessage(info.Mapping.GroupVersionKind.Kind, err))
	case d.going:
		return &record.Change{Object: live.Name(info), Action: record.ActionCreate, Note: "is being deleted, and " + whatGoes(info)}, nil
	case len(d.paths) == 0:
		c.Approve(info, d.live)
		return nil, nil
	case d.refused && live.HoldsData(info.Mapping.GroupVersionKind.Kind):
		// It goes one way only: a larger volume, say. A rollback has named it.
		return nil, nil
	}
	return &record.Change{Object: live.Name(info), Action: record.ActionUpdate, Diff: objectdiff.Unified("live", "manifest", d.live, d.repaired),
		Fields: strings.Join(d.paths, ", "), Differences: differences(d.paths, d.live, d.repaired)}, nil
}

// expires reports whether Kubernetes removes the object after its end.
func expires(info *resource.Info) bool {
	object, err := live.Content(info.Object)
	if err != nil || object.GetKind() != "Job" {
		return false
	}
	_, found, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "ttlSecondsAfterFinished") // another type counts as none
	return found
}
