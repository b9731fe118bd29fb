package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Deploy brings image into production and proves it, or puts the last
// verified-good revision back. An error means that the run ended without a
// verdict about the new revision: refused, unreachable or wrong input.
func Deploy(ctx context.Context, image pipeline.Verified, o Options) (Result, error) {
	r, err := newRun(o)
	if err != nil {
		return Result{Verdict: pipeline.VerdictUnknown, Image: image.Image()}, err
	}
	r.result.Image = image.Image()
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	err = r.preflight(ctx)
	if err == nil {
		err = r.locked(ctx, func(ctx context.Context) error { return r.forward(ctx, image) })
	}
	return r.result, r.stopped(ctx, err)
}

// preflight asks for the history, which proves that the cluster answers and that
// the release may be read.
func (r *run) preflight(ctx context.Context) error {
	return r.phase("preflight", func() error {
		_, err := r.cluster.Releases.History(ctx)
		return err
	})
}

// stopped turns an error after a signal into the verdict cancelled.
func (r *run) stopped(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		r.result.Verdict = pipeline.VerdictCancelled
		r.Log.Warn("stopped by a signal before anything was applied")
		return nil
	}
	return err
}

func (r *run) forward(ctx context.Context, image pipeline.Verified) error {
	if err := r.phase("baseline", func() error { return r.baseline(ctx) }); err != nil {
		return err
	}
	var applied pipeline.Applied
	err := r.phase("apply", func() (err error) {
		applied, err = r.cluster.Applier.Apply(ctx, image)
		return err
	})
	r.result.Release.Revision = applied.Revision.Number
	if err != nil {
		return r.applyFailed(ctx, err)
	}
	cause, err := r.gate(ctx, applied, "watch", "smoke")
	if err == nil && cause == nil {
		return r.good(ctx, applied.Revision.Number)
	}
	return r.back(ctx, causeOf(cause, err))
}

// applyFailed decides about an apply that did not go through: without a revision
// in the history and without a cause nothing has changed.
func (r *run) applyFailed(ctx context.Context, err error) error {
	var named causer
	switch {
	case errors.As(err, &named):
		cause := named.DeployCause()
		return r.back(ctx, &cause)
	case r.result.Release.Revision == 0:
		return err
	}
	return r.back(ctx, &pipeline.Cause{Code: "deploy/apply-failed", Message: err.Error()})
}

// gate waits for the rollout and sends the smoke checks. A nil cause means proven.
func (r *run) gate(ctx context.Context, applied pipeline.Applied, watch, smoke string) (*pipeline.Cause, error) {
	var rollout pipeline.Rollout
	err := r.phase(watch, func() (err error) {
		rollout, err = r.cluster.Watcher.Watch(ctx, applied.Workloads)
		return asFailure(rollout.Cause, err)
	})
	if rollout.Cause != nil || err != nil {
		return rollout.Cause, err
	}
	var cause *pipeline.Cause
	err = r.phase(smoke, func() error {
		checks, err := r.cluster.Prober.Probe(ctx, rollout.Pods, applied.Services)
		r.result.Checks = append(r.result.Checks, checks...)
		cause = firstFailure(checks)
		return asFailure(cause, err)
	})
	return cause, err
}

// asFailure makes a phase with a cause count as failed.
func asFailure(cause *pipeline.Cause, err error) error {
	if err == nil && cause != nil {
		return failure{*cause}
	}
	return err
}

// failure carries a cause as an error from a phase to its caller.
type failure struct{ cause pipeline.Cause }

func (f failure) Error() string               { return f.cause.String() }
func (f failure) DeployCause() pipeline.Cause { return f.cause }

// causeOf prefers the named cause; an error alone (a broken watch, say) becomes one.
func causeOf(cause *pipeline.Cause, err error) *pipeline.Cause {
	if cause != nil {
		return cause
	}
	return &pipeline.Cause{Code: "deploy/gate-broken", Message: err.Error()}
}

// firstFailure prefers a check that failed to one that could not tell; without
// either, every check passed.
func firstFailure(checks []pipeline.Check) *pipeline.Cause {
	for _, kind := range []struct{ result, code string }{{"failed", "smoke/check-failed"}, {"inconclusive", "smoke/not-proven"}} {
		for _, c := range checks {
			if c.Result == kind.result {
				return &pipeline.Cause{Code: kind.code, Object: c.Target, Reason: c.Name, Message: c.Detail}
			}
		}
	}
	return nil
}

func (r *run) good(ctx context.Context, revision int) error {
	// The proof is complete; a signal that comes now must not lose it.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), actAfterCancel)
	defer cancel()
	if err := r.cluster.Releases.Mark(after, revision, pipeline.MarkGood); err != nil {
		r.result.Verdict = pipeline.VerdictNeedsHuman
		r.result.Release.Live = revision
		r.result.Cause = &pipeline.Cause{Code: "deploy/verdict-not-written", Message: err.Error()}
		r.result.Advice = fmt.Sprintf("revision %d serves and passed every check, but its verdict could not be written; deploy it again", revision)
		return nil
	}
	r.result.Verdict = pipeline.VerdictGood
	r.result.Release.Live = revision
	r.Log.Info("verified good", "revision", revision)
	return nil
}

// baseline finds the revision to go back to. The live revision of a release that
// stagecrew never judged is gated first.
func (r *run) baseline(ctx context.Context) error {
	history, err := r.cluster.Releases.History(ctx)
	if err != nil {
		return err
	}
	live, found := deployed(history)
	r.result.Release.Live = live.Number
	if target, found := newestGood(history); found {
		r.result.Release.PreviousGood = target.Number
		return nil
	}
	if !found {
		r.Log.Info("no earlier revision to go back to: this is the first install")
		return nil
	}
	if live.Verdict != pipeline.MarkNone {
		r.Log.Warn("no verified-good revision to go back to", "live", live.Number, "verdict", live.Verdict)
		return nil
	}
	return r.adopt(ctx, live)
}

// adopt judges a revision that somebody else deployed. What it finds is no
// obstacle: a broken live revision is what the new one may be meant to repair.
func (r *run) adopt(ctx context.Context, live pipeline.Revision) error {
	r.Log.Info("judging the live revision, which nobody has verified yet", "revision", live.Number)
	applied, err := r.cluster.Releases.Describe(ctx, live.Number)
	if err != nil {
		return err
	}
	budget, cancel := context.WithTimeout(ctx, min(r.RollbackTimeout, r.Timeout/2))
	defer cancel()
	cause, err := r.gate(budget, applied, "baseline watch", "baseline smoke")
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case cause != nil || err != nil:
		r.Log.Warn("the live revision did not pass: no revision to go back to", "revision", live.Number, "cause", causeOf(cause, err).String())
		return nil
	}
	r.result.Release.PreviousGood = live.Number
	return r.cluster.Releases.Mark(ctx, live.Number, pipeline.MarkGood)
}
