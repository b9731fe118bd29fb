package release

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// Drift says how the live objects differ from the manifest of a revision, as the
// changes that would make them equal; none when they are. What controllers and
// the API server fill in, the number of replicas under an autoscaler that it allows,
// and Jobs that were removed after their end do not count, nor do volumes and definitions
// that cannot be made what the manifest says any more. An object that is being
// deleted counts. An object that an earlier or
// later revision left is to be deleted.
func (r *Release) Drift(ctx context.Context, revision int) ([]record.Change, error) {
	stored, err := r.record(ctx, revision)
	if err != nil {
		return nil, err
	}
	var changes []record.Change
	_, err = r.change(ctx, func() (record.Applied, error) {
		changes, err = r.helm.client.drift(ctx, stored)
		return record.Applied{}, err
	})
	if err != nil {
		return nil, classify(fmt.Sprintf("comparing the live objects with revision %d", revision), err)
	}
	secret := manifest.SecretValues(stored.Manifest)
	for i := range changes {
		changes[i].Diff = manifest.Withhold(changes[i].Diff, secret)
		for j := range changes[i].Differences {
			d := &changes[i].Differences[j]
			d.Live, d.Manifest = manifest.Withhold(d.Live, secret), manifest.Withhold(d.Manifest, secret)
		}
	}
	return changes, nil
}

func (c *client) drift(ctx context.Context, stored *helmrelease.Release) ([]record.Change, error) {
	wanted, err := c.Build(bytes.NewBufferString(stored.Manifest), false)
	if err != nil {
		return nil, err
	}
	for _, info := range wanted {
		if object, err := live.Content(info.Object); err == nil {
			c.owner.Claim(object)
		}
	}
	asked := numbers(wanted)
	// Only the targets are changed: these are not sent anywhere.
	if err := c.leaveReplicas(live.Copies(wanted), wanted); err != nil {
		return nil, err
	}
	there := live.Read(ctx, wanted)
	found := make([]*record.Change, len(wanted))
	err = live.Each(ctx, wanted, func(i int, info *resource.Info) (err error) {
		number, hasNumber := asked[live.Key(info)]
		if there[i] == nil && hasNumber {
			there[i], _ = live.Get(info) // what is wrong with it is said below
		}
		if found[i], err = c.driftOf(info, there[i]); err != nil || !hasNumber {
			return err
		}
		found[i], err = c.scaledToZero(found[i], info, there[i], number, wanted)
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
	left, err := c.left(stored, wanted)
	return append(changes, left...), err
}

func (c *client) driftOf(info *resource.Info, found *unstructured.Unstructured) (*record.Change, error) {
	if found != nil && c.isUnchanged(info, found) {
		return nil, nil
	}
	d, err := c.difference(info, found)
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
		c.approve(info, d.live)
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

// left are the changes that would remove what other revisions left.
func (c *client) left(stored *helmrelease.Release, wanted helmkube.ResourceList) ([]record.Change, error) {
	var err error
	if c.lastUpdate.earlier, err = c.revisions(func(all []*helmrelease.Release) []*helmrelease.Release {
		others := all[c.complete(all):]
		return slices.DeleteFunc(others, func(other *helmrelease.Release) bool { return other.Version == stored.Version })
	}); err != nil {
		return nil, err
	}
	c.lastUpdate.target = wanted
	found, err := c.leftovers()
	var changes []record.Change
	for _, l := range found {
		if !l.data {
			changes = append(changes, record.Change{Object: live.Name(l.info), Action: record.ActionDelete})
		}
	}
	return changes, err
}
