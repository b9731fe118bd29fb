package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// back ends a deployment that failed for cause: it goes back to the last
// verified-good revision, or says why it cannot.
func (r *run) back(ctx context.Context, cause *pipeline.Cause) error {
	r.result.Cause = cause
	r.Log.Error("the new revision is bad: " + cause.String())
	cancelled := errors.Is(ctx.Err(), context.Canceled)
	budget := r.RollbackTimeout
	if cancelled {
		r.result.Cause = &pipeline.Cause{Code: "deploy/cancelled", Message: "stopped by a signal after the new revision was applied"}
		budget = actAfterCancel
	}
	// A rollback gets its own context and clients: those of the deploy may be the
	// very thing that failed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), budget)
	defer cancel()
	cluster, err := r.Connect()
	if err != nil {
		return r.human("connecting for the rollback: " + err.Error())
	}
	r.cluster = cluster
	if r.result.Release.Revision > 0 {
		if err := cluster.Releases.Mark(ctx, r.result.Release.Revision, pipeline.MarkBad); err != nil {
			r.Log.Warn("marking the revision bad", "revision", r.result.Release.Revision, "error", err)
		}
	}
	if r.result.Release.PreviousGood == 0 {
		return r.noTarget()
	}
	return r.restore(ctx, r.result.Release.PreviousGood, cancelled)
}

// restore rolls back to target and gates it; after a signal it only starts.
func (r *run) restore(ctx context.Context, target int, cancelled bool) error {
	var applied pipeline.Applied
	err := r.phase("rolling-back", func() (err error) {
		applied, err = r.cluster.Applier.Rollback(ctx, target)
		return err
	})
	if err != nil {
		return r.human(fmt.Sprintf("rolling back to revision %d: %v", target, err))
	}
	r.result.Release.Live = applied.Revision.Number
	if cancelled {
		r.result.Verdict = pipeline.VerdictCancelled
		r.result.Advice = fmt.Sprintf("the rollback to revision %d was started but not checked; the next deploy or rollback finishes it", target)
		return nil
	}
	cause, err := r.gate(ctx, applied, "re-gating", "re-gating smoke")
	if cause != nil || err != nil {
		return r.human(fmt.Sprintf("revision %d, the rollback to %d, did not pass: %s", applied.Revision.Number, target, causeOf(cause, err)))
	}
	if err := r.cluster.Releases.Mark(ctx, applied.Revision.Number, pipeline.MarkGood); err != nil {
		return r.human(fmt.Sprintf("revision %d serves again, but its verdict could not be written: %v", applied.Revision.Number, err))
	}
	r.result.Verdict = pipeline.VerdictRolledBack
	r.Log.Info("rolled back: the last verified-good revision serves again", "revision", applied.Revision.Number, "copy-of", target)
	return nil
}

// noTarget leaves everything as it is: there is nothing proven to go back to.
func (r *run) noTarget() error {
	why := "no verified-good revision to go back to; nothing further was touched"
	if r.result.Release.Live == 0 {
		why = fmt.Sprintf("the first install failed; its objects are kept for inspection, `helm uninstall %s --namespace %s` removes them",
			r.Release, r.Namespace)
	}
	if r.result.Release.Revision > 0 {
		r.result.Release.Live = r.result.Release.Revision
	}
	return r.human(why)
}

// human ends the run with the verdict needs-human and the reason for it.
func (r *run) human(why string) error {
	r.result.Verdict = pipeline.VerdictNeedsHuman
	r.result.Advice = why
	r.Log.Error("a human is needed: " + why)
	return nil
}
