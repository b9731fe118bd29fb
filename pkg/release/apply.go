package release

import (
	"context"
	"fmt"
	"strconv"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
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
func (r *Release) Apply(ctx context.Context, image pipeline.Verified) (pipeline.Applied, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Applied{}, err
	}
	chart, err := r.chart()
	if err != nil {
		return pipeline.Applied{}, err
	}
	merged, err := r.values(image.Image())
	if err != nil {
		return pipeline.Applied{}, err
	}
	return r.change(ctx, func() (pipeline.Applied, error) {
		last, err := r.settle()
		if err != nil {
			return pipeline.Applied{}, err
		}
		record, err := r.helm.apply(ctx, r, chart, merged, last)
		if err != nil {
			return r.failed("applying chart "+r.Chart, last, err)
		}
		return r.complete(ctx, record, false)
	})
}

// Rollback makes a new revision that is a copy of an earlier one; of the last
// one, too, which completes what was interrupted. The caller holds the lock. See
// [Release.Apply] for repairs and for what the end of ctx does. Pods that keep a
// StatefulSet from rolling back are deleted. PersistentVolumeClaims and other
// objects that hold data are never removed, but named in Repairs.
func (r *Release) Rollback(ctx context.Context, to int) (pipeline.Applied, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Applied{}, err
	}
	target, err := r.record(to)
	if err != nil {
		return pipeline.Applied{}, err
	}
	return r.change(ctx, func() (pipeline.Applied, error) {
		last, err := r.settle()
		if err != nil {
			return pipeline.Applied{}, err
		}
		record, err := r.helm.rollback(ctx, r, target)
		if err != nil {
			return r.failed(fmt.Sprintf("rolling back to revision %d", to), last, err)
		}
		return r.complete(ctx, record, true)
	})
}

// complete does what Helm leaves undone. The objects are applied by now: what
// goes wrong here is for the gate to judge, not a reason to call them rejected.
func (r *Release) complete(ctx context.Context, record *helmrelease.Release, isRollback bool) (pipeline.Applied, error) {
	applied, err := r.applied(record)
	if err != nil {
		return applied, err
	}
	c := r.helm.client
	for _, step := range []func() ([]string, error){
		c.removeLeftovers,
		func() ([]string, error) { return c.repair(ctx) },
		func() ([]string, error) { return c.freeStuckPods(ctx, isRollback) },
	} {
		lines, err := step()
		applied.Repairs = append(applied.Repairs, lines...)
		if ctx.Err() != nil {
			return applied, fmt.Errorf("completing revision %d: %w", record.Version, ctx.Err())
		}
		if err != nil {
			r.Log.Warn("making the live objects those of the manifest", "revision", record.Version, "error", words(err))
		}
	}
	for _, line := range applied.Repairs {
		r.Log.Warn(line)
	}
	return applied, nil
}

// record reads a revision.
func (r *Release) record(revision int) (*helmrelease.Release, error) {
	record, err := r.helm.config.Releases.Get(r.Name, revision)
	if err != nil {
		return nil, classify(fmt.Sprintf("reading revision %d", revision), err)
	}
	return record, nil
}

// origin follows copies to the revision that was applied first.
func origin(record *helmrelease.Release) int {
	if first, err := strconv.Atoi(record.Labels[labelOrigin]); err == nil && first > 0 {
		return first
	}
	return record.Version
}

// settle gives the number of the last revision, 0 for none, and ends a pending
// one: the lock is held, so whoever left it pending is gone, and Helm would
// refuse every further change.
func (r *Release) settle() (int, error) {
	records := r.helm.config.Releases
	last, err := records.Last(r.Name)
	if isMissing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, classify("reading the last revision", err)
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

// failed says what a failed change left: a revision of ours, or nothing. A newer
// revision that this process did not create is somebody else's and stays as it is.
func (r *Release) failed(doing string, last int, err error) (pipeline.Applied, error) {
	created := r.helm.records.last()
	if created <= last {
		return pipeline.Applied{}, r.unapplied(doing, err)
	}
	rejected := &ApplyError{Cause: r.cause(err), Revision: created}
	applied := pipeline.Applied{Revision: pipeline.Revision{Number: created, Verdict: pipeline.MarkPending}}
	record, readErr := r.helm.config.Releases.Get(r.Name, created)
	if readErr != nil {
		r.Log.Warn("reading the revision that failed", "revision", created, "error", readErr)
		return applied, rejected
	}
	if hook := failedHook(r.helm.records.record); hook != nil {
		rejected.Cause = r.hookCause(hook, record, err)
	}
	if record.Info.Status.IsPending() {
		record.SetStatus(helmrelease.StatusFailed, words(err))
		if updateErr := r.helm.config.Releases.Update(record); updateErr != nil {
			r.Log.Warn("noting that the revision failed; the next run will", "revision", record.Version, "error", updateErr)
		}
	}
	applied.Revision = r.revision(record)
	return applied, rejected
}
