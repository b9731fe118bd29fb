package release

import (
	"context"
	"fmt"
	"strings"
	"time"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/bounded"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/pods"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
)

// Apply installs or upgrades the release with the image. It returns when the API
// server has taken all objects; nothing is waited for. The caller holds the lock.
// When the chart or its values are wrong nothing has changed; an [*ApplyError]
// means that a revision was written and failed.
//
// Beyond what Helm does, fields and objects that earlier revisions left half-way
// are removed, and what an autoscaler scales keeps its number of replicas; what
// that took is in Repairs.
//
// Helm cannot be stopped. When ctx ends, no further request changes an object,
// and Apply returns within two seconds with an error that wraps ctx.Err() and, if
// a revision was written, its number; Helm's own work may still go on noting
// that the revision failed. Another change with the same Release waits for it.
func (r *Release) Apply(ctx context.Context, image record.Verified) (record.Applied, error) {
	if err := ctx.Err(); err != nil {
		return record.Applied{}, err
	}
	chart, merged, err := r.prepare(ctx, image.Image())
	if err != nil {
		return record.Applied{}, err
	}
	return r.change(ctx, func() (record.Applied, error) {
		last, err := r.settle()
		if err != nil {
			return record.Applied{}, err
		}
		r.guard.expect(r.images[image.Image()])
		stored, err := r.helm.apply(ctx, r, chart, merged)
		if err != nil {
			return r.failed("applying chart "+r.Chart, last, err)
		}
		return r.complete(ctx, stored)
	})
}

// Rollback makes a new revision that is a copy of an earlier one; of the last
// one, too, which completes what was interrupted. The caller holds the lock. See
// [Release.Apply] for repairs and for what the end of ctx does. Pods that keep a
// StatefulSet from rolling back are deleted. PersistentVolumeClaims and other
// objects that hold data are never removed, but named in Repairs.
//
// With variables the copy is none in one thing: its containers that run its image have
// them, in the record of the revision, too.
func (r *Release) Rollback(ctx context.Context, to int, set map[string]string) (record.Applied, error) {
	if err := ctx.Err(); err != nil {
		return record.Applied{}, err
	}
	target, err := r.record(ctx, to)
	if err != nil {
		return record.Applied{}, err
	}
	if err := r.notary().Check(verdictRecord(target)); err != nil {
		return record.Applied{}, err
	}
	return r.change(ctx, func() (record.Applied, error) {
		last, err := r.settle()
		if err != nil {
			return record.Applied{}, err
		}
		stored, err := r.helm.rollback(ctx, r, target, set)
		if err != nil {
			return r.failed(fmt.Sprintf("rolling back to revision %d", to), last, err)
		}
		r.explain(stored)
		return r.complete(ctx, stored)
	})
}

// explain notes the reason of a rollback where Helm describes a revision.
func (r *Release) explain(stored *helmrelease.Release) {
	if r.Reason == "" {
		return
	}
	stored.Info.Description += ": " + r.Reason
	if err := r.helm.config.Releases.Update(stored); err != nil {
		r.Log.Warn("noting the reason of the rollback", "revision", stored.Version, "error", err)
	}
}

// complete does what Helm leaves undone. The objects are applied by now: what
// goes wrong here is for the gate to judge, not a reason to call them rejected.
func (r *Release) complete(ctx context.Context, stored *helmrelease.Release) (record.Applied, error) {
	applied, err := r.applied(stored)
	if err != nil {
		return applied, err
	}
	r.helm.client.finish(stored)
	applied.Repairs = r.helm.client.lastUpdate.repairs
	if ctx.Err() != nil {
		return applied, fmt.Errorf("completing revision %d: %w", stored.Version, ctx.Err())
	}
	return applied, nil
}

// finish makes the live objects those of the manifest, once in a change.
func (c *client) finish(stored *helmrelease.Release) {
	if c.lastUpdate.finished {
		return
	}
	c.lastUpdate.finished = true
	for _, step := range []func() ([]string, error){
		func() ([]string, error) { return nil, c.reinstalled(stored) },
		c.removeLeftovers,
		func() ([]string, error) {
			return c.compare.Repair(c.ctx, c.lastUpdate.wanted.Filter(c.lastUpdate.updated.Contains))
		},
		func() ([]string, error) { return pods.FreeStuck(c.ctx, c.typed, c.lastUpdate.target, c.isRollback) },
	} {
		lines, err := step()
		c.note(lines...)
		if c.ctx.Err() != nil {
			return
		}
		if err != nil {
			c.log.Warn("making the live objects those of the manifest", "revision", stored.Version, "error", apierror.Message(err))
		}
	}
}

// reinstalled finds what a failed first install may have left: Helm's second one
// only creates.
func (c *client) reinstalled(stored *helmrelease.Release) error {
	if c.lastUpdate.target != nil || stored.Version == 1 {
		return nil
	}
	var err error
	if c.lastUpdate.target, err = c.Build(strings.NewReader(stored.Manifest), false); err != nil {
		return err
	}
	c.lastUpdate.earlier, err = c.earlierRevisions()
	return err
}

// record reads a revision.
func (r *Release) record(ctx context.Context, revision int) (*helmrelease.Release, error) {
	stored, err := bounded.Read(ctx, func() (*helmrelease.Release, error) { return r.helm.config.Releases.Get(r.Name, revision) })
	if err != nil {
		return nil, classify(fmt.Sprintf("reading revision %d", revision), err)
	}
	r.secrets.Learn(r.secretsRecord(stored))
	return stored, nil
}

// settle gives the number of the last revision, 0 for none, and ends a pending
// one that this program made: the lock is held, so whoever left it pending is
// gone, and Helm would refuse every further change.
func (r *Release) settle() (int, error) {
	records := r.helm.config.Releases
	last, err := records.Last(r.Name)
	if isMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, classify("reading the last revision", err)
	}
	if err := r.mayChange(last); err != nil {
		return 0, err
	}
	if last.Info.Status.IsPending() {
		r.Log.Warn("an earlier run was ended in the middle of a change", "revision", last.Version, "status", last.Info.Status)
		last.SetStatus(helmrelease.StatusFailed, "its run ended before it was complete")
		if err := records.Update(last); err != nil {
			return 0, classify("ending a pending revision", err)
		}
	}
	return last.Version, nil
}

// foreignLimit is how long a helm that is not ours counts as alive.
// Helm gives no sign of life; its own default timeout is five minutes, and an
// hour is longer than people give it.
const foreignLimit = time.Hour

// isForeign reports whether another helm is at work on the revision.
func isForeign(stored *helmrelease.Release, said verdict.Statement) bool {
	isOurs := said.Mark != record.MarkNone || said.Changed
	return stored.Info.Status.IsPending() && !isOurs && time.Since(stored.Info.LastDeployed.Time) < foreignLimit
}

// mayChange refuses to change a release that another program is changing.
func (r *Release) mayChange(last *helmrelease.Release) error {
	status := last.Info.Status
	if status == helmrelease.StatusUninstalling {
		return record.Refused("release/uninstalling",
			"release %q in namespace %q is being uninstalled, or an uninstall of it was interrupted; `helm uninstall %s --namespace %s` completes it",
			r.Name, r.Namespace, r.Name, r.Namespace)
	}
	if !isForeign(last, r.notary().Read(verdictRecord(last))) {
		return nil
	}
	age := time.Since(last.Info.LastDeployed.Time).Round(time.Second)
	return record.Refused("release/locked",
		"release %q in namespace %q is being changed by a helm that stagecrew did not start: revision %d is %s since %s (%s ago): %q; wait for it to end. "+
			"When it is known to be dead, `helm rollback %s --namespace %s` ends it; after %s stagecrew takes over",
		r.Name, r.Namespace, last.Version, status, last.Info.LastDeployed.UTC().Format(time.RFC3339), age, last.Info.Description, r.Name, r.Namespace, foreignLimit)
}

// failed says what a failed change left: a revision of ours, or nothing. A newer
// revision that this process did not create is not ours and stays as it is.
func (r *Release) failed(doing string, last int, err error) (record.Applied, error) {
	created := r.helm.records.last()
	if created <= last {
		return record.Applied{}, r.unapplied(doing, err)
	}
	rejected := &ApplyError{Cause: r.cause(err), Revision: created}
	applied := record.Applied{Revision: record.Revision{Number: created, Verdict: record.MarkPending}, Repairs: r.helm.client.lastUpdate.repairs}
	stored, readErr := r.helm.config.Releases.Get(r.Name, created)
	if readErr != nil {
		r.Log.Warn("reading the revision that failed", "revision", created, "error", readErr)
		return applied, rejected
	}
	if hook := failedHook(r.helm.records.current()); hook != nil {
		rejected.Cause = r.hookCause(hook, stored, err)
	} else if stopped := r.helm.client.whyStopped(); stopped != nil {
		rejected.Cause = *stopped
		rejected.Cause.Message = manifest.Withhold(stopped.Message, manifest.SecretValues(stored.Manifest, hooksOf(stored)))
	}
	if stored.Info.Status.IsPending() {
		stored.SetStatus(helmrelease.StatusFailed, apierror.Message(err))
		if updateErr := r.helm.config.Releases.Update(stored); updateErr != nil {
			r.Log.Warn("noting that the revision failed; the next run will", "revision", stored.Version, "error", updateErr)
		}
	}
	applied.Revision = r.revision(stored)
	return applied, rejected
}
