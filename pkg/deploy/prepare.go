package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Deploy brings image into production and proves it, or puts the last
// verified-good revision back. An error means that the run ended without a
// verdict about the new revision: refused, unreachable or wrong input.
func Deploy(ctx context.Context, image pipeline.Verified, o Options) (Result, error) {
	return start(ctx, o, deployTable, preflight, func(r *run) {
		r.image, r.result.Image = image, image.Image()
	})
}

// preflight looks for what would make the change fail, without changing anything.
func (r *run) preflight(ctx context.Context) event {
	if err := r.look(ctx); err != nil {
		return r.breaks(err)
	}
	plan, err := r.plan(ctx)
	if err != nil {
		return r.breaks(err)
	}
	if r.result.Concerns, err = r.cluster.Checker.Check(ctx, plan); err != nil {
		return r.breaks(err)
	}
	if err := Weigh(r.Log, r.result.Concerns); err != nil {
		return r.breaks(err)
	}
	if r.DryRun {
		r.result.Plan = &plan
		return untouched
	}
	return passed
}

// look reads the history. After the lock it is read again: another run may have
// been at work in between.
func (r *run) look(ctx context.Context) (err error) {
	r.history, err = r.cluster.Releases.History(ctx)
	if err != nil {
		return err
	}
	if live, found := deployed(r.history); found {
		r.result.Release.Live = live.Number
	}
	if target, found := newestGood(r.history); found {
		r.result.Release.PreviousGood = target.Number
	}
	return nil
}

// plan asks what would change: by the chart, or by the rollback.
func (r *run) plan(ctx context.Context) (pipeline.Plan, error) {
	if r.target == (Target{}) && r.image != (pipeline.Verified{}) {
		return r.cluster.Planner.Plan(ctx, r.image.Image())
	}
	target, err := r.choose()
	if err != nil {
		return pipeline.Plan{}, err
	}
	return r.cluster.Planner.PlanRollback(ctx, target.Number)
}

// Weigh warns of the concerns that do not block and refuses for the rest, all at
// once.
func Weigh(log *slog.Logger, concerns []pipeline.Concern) error {
	var blocking []string
	for _, c := range concerns {
		if c.Blocks {
			blocking = append(blocking, c.String())
			continue
		}
		log.Warn(c.String())
	}
	if len(blocking) == 0 {
		return nil
	}
	return pipeline.Refused("deploy/preflight", "the deploy would fail:\n%s\nnothing was changed", strings.Join(blocking, "\n"))
}

// settle undoes what a dead run applied in part. Helm takes the last complete
// revision for what is live, so that objects and fields of a partial one would
// outlive the next.
func (r *run) settle(ctx context.Context) event {
	if err := r.look(ctx); err != nil {
		return r.breaks(err)
	}
	newest, found := newest(r.history)
	if !found || newest.Status == "deployed" || r.result.Release.PreviousGood == 0 {
		return passed
	}
	r.Log.Warn("an earlier run applied a revision in part; putting the last verified-good one back first",
		"revision", newest.Number, "status", newest.Status, "back-to", r.result.Release.PreviousGood)
	applied, err := r.cluster.Applier.Rollback(ctx, r.result.Release.PreviousGood)
	if isAbandoned(err) {
		return r.leave()
	}
	if err != nil {
		// The new revision may be what repairs it.
		r.Log.Warn("putting it back", "error", err)
	}
	r.repaired(applied)
	if err := r.look(ctx); err != nil {
		return r.breaks(err)
	}
	return passed
}

// repaired keeps what an apply or rollback had to do beyond Helm's own work.
func (r *run) repaired(applied pipeline.Applied) {
	for _, repair := range applied.Repairs {
		r.Log.Warn(repair)
	}
	r.result.Repairs = append(r.result.Repairs, applied.Repairs...)
}

// lookTime is how long the live release is looked at when its verdict is known.
const lookTime = 10 * time.Second

// baseline finds the revision to go back to, and asks the live release what the
// new one will be asked: what fails already says nothing about the new one. A live
// revision that nobody has judged is gated first.
func (r *run) baseline(ctx context.Context) event {
	live, found := deployed(r.history)
	if !found {
		r.Log.Info("no earlier revision to go back to: this is the first install")
		return passed
	}
	applied, err := r.cluster.Releases.Describe(ctx, live.Number)
	if err != nil {
		return r.breaks(err)
	}
	if r.result.Release.PreviousGood == 0 && live.Verdict != pipeline.MarkBad {
		return r.adopt(ctx, applied)
	}
	if r.result.Release.PreviousGood == 0 {
		r.Log.Warn("no verified-good revision to go back to", "live", live.Number, "verdict", live.Verdict)
	}
	brief, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	rollout, err := r.cluster.Watcher.Watch(brief, applied)
	if err != nil && brief.Err() == nil {
		return r.breaks(err)
	}
	r.before, err = r.cluster.Prober.Probe(ctx, Targets{Pods: rollout.Pods, Services: applied.Services, Quick: true})
	if err != nil {
		return r.breaks(err)
	}
	r.say("before the deploy", r.before)
	return passed
}

// adopt judges a live revision without a verdict. What it finds is no obstacle: a
// broken live revision is what the new one may be meant to repair.
func (r *run) adopt(ctx context.Context, applied pipeline.Applied) event {
	number := applied.Revision.Number
	r.Log.Info("judging the live revision, which nobody has verified yet", "revision", number)
	budget, cancel := context.WithTimeout(ctx, min(r.RollbackTimeout, r.Timeout/2))
	defer cancel()
	rollout, err := r.cluster.Watcher.Watch(budget, applied)
	cause := rollout.Cause
	if err == nil {
		r.before, err = r.cluster.Prober.Probe(budget, Targets{Pods: rollout.Pods, Services: applied.Services, Quick: cause != nil})
	}
	if cause == nil && err == nil {
		cause = failure(r.before)
	}
	switch {
	case ctx.Err() != nil:
		return r.breaks(ctx.Err())
	case cause != nil || err != nil || !isProven(r.before):
		r.Log.Warn("the live revision did not pass: no revision to go back to", "revision", number, "cause", causeOf(cause, err).String())
		return passed
	}
	r.result.Release.PreviousGood = number
	if err := r.cluster.Releases.Mark(ctx, number, pipeline.MarkGood); err != nil {
		return r.breaks(err)
	}
	return passed
}

// say warns of checks that did not pass.
func (r *run) say(when string, checks []pipeline.Check) {
	for _, c := range checks {
		if c.Result != "passed" {
			r.Log.Warn(fmt.Sprintf("%s, smoke %s on %s: %s", when, c.Name, c.Target, c.Result), "detail", c.Detail)
		}
	}
}

// apply changes the cluster: by the chart, or by an earlier revision.
func (r *run) apply(ctx context.Context) event {
	var err error
	if r.image != (pipeline.Verified{}) {
		r.applied, err = r.cluster.Applier.Apply(ctx, r.image)
	} else {
		r.applied, err = r.putBack(ctx)
	}
	r.result.Release.Revision = r.applied.Revision.Number
	r.repaired(r.applied)
	if err != nil {
		return r.applyFailed(err)
	}
	r.result.Release.Live = r.applied.Revision.Number
	r.result.Advice = fmt.Sprintf("revision %d was applied but is not proven; `stagecrew recover` or the next deploy judges it", r.applied.Revision.Number)
	return passed
}

// putBack applies the target of a rollback by hand. It is chosen again: another
// run may have been at work before this one had the lock.
func (r *run) putBack(ctx context.Context) (pipeline.Applied, error) {
	if err := r.look(ctx); err != nil {
		return pipeline.Applied{}, err
	}
	target, err := r.choose()
	if err != nil {
		return pipeline.Applied{}, err
	}
	return r.cluster.Applier.Rollback(ctx, target.Number)
}

// causer is an error that names what made an apply fail, see [pipeline.Cause].
type causer interface{ DeployCause() pipeline.Cause }

// applyFailed decides about an apply that did not go through: without a revision
// in the history and without a cause nothing has changed.
func (r *run) applyFailed(err error) event {
	var named causer
	switch {
	case isAbandoned(err):
		return r.leave()
	case errors.As(err, &named):
		cause := named.DeployCause()
		r.result.Cause = &cause
	case r.result.Release.Revision == 0:
		return r.breaks(err)
	default:
		r.result.Cause = &pipeline.Cause{Code: "deploy/apply-failed", Message: err.Error()}
	}
	r.result.Advice = "the change was applied in part: " + r.result.Cause.String()
	return failed
}

// leave ends a run that may not touch the release any more: Helm is still at work.
func (r *run) leave() event {
	r.result.Advice = "stopped by a signal while the release was being changed; `stagecrew recover` or the next deploy finishes it"
	return abandoned
}

// isAbandoned tells whether Helm was left at work because of a signal.
func isAbandoned(err error) bool { return errors.Is(err, context.Canceled) }
