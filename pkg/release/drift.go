package release

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
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
	changes, err := c.compare.Changes(ctx, wanted)
	if err != nil {
		return nil, err
	}
	left, err := c.left(stored, wanted)
	return append(changes, left...), err
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
		if !l.Data {
			changes = append(changes, record.Change{Object: live.Name(l.Info), Action: record.ActionDelete})
		}
	}
	return changes, err
}

// byHand tells, before a change, what another client has changed since the live
// revision was applied: it is lost with the next one, and was often the mend of last
// night (https://github.com/helm/helm/issues/12021). What cannot be read is left out.
func (r *Release) byHand(ctx context.Context) []record.Concern {
	stored, err := r.helm.config.Releases.Last(r.Name)
	if err != nil || stored.Info.Status != helmrelease.StatusDeployed {
		return nil // what a dead run left is its own
	}
	drift, err := r.Drift(ctx, stored.Version)
	if err != nil {
		return nil
	}
	var all []record.Concern
	for _, change := range drift {
		if change.Action == record.ActionUpdate {
			all = append(all, r.changedByHand(stored.Version, change))
		}
	}
	return all
}

func (r *Release) changedByHand(revision int, change record.Change) record.Concern {
	c := record.Concern{Code: "release/changed-by-hand", Object: change.Object}
	if change.IsOpen() {
		c.Message = fmt.Sprintf("somebody changed it since revision %d: %s; this change leaves it so, and what does not run cannot be proven", revision, change.Differs())
		c.Advice = change.Rescale(r.Namespace)
		return c
	}
	c.Message = fmt.Sprintf("somebody changed it since revision %d, and this change overwrites that: %s", revision, change.Differs())
	c.Advice = "to keep it, bring it into the chart or its values first"
	return c
}
