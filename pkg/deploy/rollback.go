package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Target says where a manual rollback goes. The zero value means the newest
// verified-good revision before the live one.
type Target struct {
	Revision int    // Helm revision, 0 for any
	Digest   string // image digest "sha256:…", "" for any
}

// Rollback puts an earlier revision back by hand and proves it. The verdict is
// good when it serves and passed; an error means that nothing was changed.
func Rollback(ctx context.Context, to Target, o Options) (Result, error) {
	r, err := newRun(o)
	if err != nil {
		return Result{Verdict: pipeline.VerdictUnknown}, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.RollbackTimeout)
	defer cancel()
	err = r.preflight(ctx)
	if err == nil {
		err = r.locked(ctx, func(ctx context.Context) error { return r.rollbackTo(ctx, to) })
	}
	return r.result, r.stopped(ctx, err)
}

func (r *run) rollbackTo(ctx context.Context, to Target) error {
	history, err := r.cluster.Releases.History(ctx)
	if err != nil {
		return err
	}
	target, err := choose(history, to)
	if err != nil {
		return err
	}
	r.result.Release.PreviousGood = target.Number
	if live, found := deployed(history); found {
		r.result.Release.Live = live.Number
	}
	// An older record may lack a digest; the field then stays empty.
	r.result.Image, _ = pipeline.ParseImage(target.Image)

	var applied pipeline.Applied
	err = r.phase("rolling-back", func() (err error) {
		applied, err = r.cluster.Applier.Rollback(ctx, target.Number)
		return err
	})
	if err != nil {
		return r.manualFailed(applied, err)
	}
	r.result.Release.Revision, r.result.Release.Live = applied.Revision.Number, applied.Revision.Number
	cause, err := r.gate(ctx, applied, "watch", "smoke")
	if cause == nil && err == nil {
		return r.good(ctx, applied.Revision.Number)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		r.result.Verdict = pipeline.VerdictCancelled
		r.result.Advice = fmt.Sprintf("the rollback to revision %d was applied but not checked; run it again", target.Number)
		return nil
	}
	r.result.Cause = causeOf(cause, err)
	return r.human(fmt.Sprintf("revision %d, the rollback to %d, did not pass: %s", applied.Revision.Number, target.Number, r.result.Cause))
}

// manualFailed: without a revision in the history nothing has changed.
func (r *run) manualFailed(applied pipeline.Applied, err error) error {
	if applied.Revision.Number == 0 {
		return err
	}
	r.result.Release.Revision = applied.Revision.Number
	r.result.Cause = &pipeline.Cause{Code: "deploy/apply-failed", Message: err.Error()}
	return r.human("the rollback was applied in part: " + err.Error())
}
