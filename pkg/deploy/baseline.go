package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// lookTime is how long the live release is looked at when its verdict is known.
const lookTime = 10 * time.Second

// baseline finds the revision to go back to, and asks the live release what the
// new one will be asked: what fails already says nothing about the new one. A live
// revision without a verdict is judged first.
func (r *run) baseline(ctx context.Context) event {
	live, found := revisions.Live(r.history)
	if !found {
		r.Log.Info("no earlier revision to go back to: this is the first install")
		return passed
	}
	applied, err := r.cluster.History.Describe(ctx, live.Number)
	if err != nil {
		return r.abort(err)
	}
	if r.isUnjudged(live) {
		err = r.adopt(ctx, applied)
	} else {
		err = r.glance(ctx, applied)
	}
	if err != nil {
		return r.abort(err)
	}
	target, found := r.trusted(ctx)
	r.result.Release.RollbackTarget = target.Number
	if !found {
		r.Log.Warn("no verified-good revision to go back to: a deploy that fails will need a human", "live", live.Number, "verdict", revisions.Verdict(live))
		return passed
	}
	if err := r.forewarn(ctx, applied, target); err != nil {
		return r.abort(err)
	}
	return passed
}

// isUnjudged reports whether the live revision has no verdict. The copy of a good
// one that a rollback has just made stands for that.
func (r *run) isUnjudged(live record.Revision) bool {
	if live.Verdict != record.MarkNone && live.Verdict != record.MarkPending {
		return false
	}
	goods := revisions.Proven(r.history)
	return live.Origin == 0 || len(goods) == 0 || revisions.OriginOf(goods[0]) != live.Origin
}

// glance asks a live release whose verdict is known.
func (r *run) glance(ctx context.Context, applied record.Applied) error {
	brief, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	rollout, err := r.cluster.Watcher.Watch(brief, applied)
	if err != nil && brief.Err() == nil {
		return err
	}
	r.missing(rollout.Cause)
	r.earlier, err = r.cluster.Prober.Probe(ctx, Targets{Pods: rollout.Pods, Services: rollout.Services, Quick: true})
	if err != nil {
		return err
	}
	r.say("before the deploy", r.earlier)
	return nil
}

// missing warns of a live release that is not as it should be.
func (r *run) missing(cause *record.Cause) {
	switch {
	case cause == nil:
	case isGone(cause):
		r.Log.Warn(cause.Object + " is gone: somebody has deleted it; this deploy makes it again")
	default:
		r.Log.Warn("the live release is not well, before the deploy", "cause", cause.String())
	}
}

// isGone reports whether a rollout failed because an object was deleted.
func isGone(cause *record.Cause) bool { return cause != nil && cause.Reason == record.ReasonDeleted }

// adopt judges a live revision without a verdict. What it finds is no obstacle: a
// broken live revision is what the new one may be meant to repair. What could not be
// found out is.
func (r *run) adopt(ctx context.Context, applied record.Applied) error {
	number := applied.Revision.Number
	r.Log.Info("judging the live revision, which nobody has verified yet", "revision", number)
	began := time.Now()
	budget, cancel := context.WithDeadline(ctx, r.adoption())
	defer cancel()
	defer func() { r.started = r.started.Add(time.Since(began)) }() // it is not the new revision's time
	t := r.judge(ctx, applied, nil)
	t.live = true
	on := t.all(budget)
	r.earlier = t.checks
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch on {
	case passed:
		return r.markLive(ctx, number, record.MarkGood)
	case idle:
		return r.markLive(ctx, number, record.MarkIdle)
	case unclear:
		if budget.Err() != nil {
			r.Log.Warn("the live revision could not be judged in time: it is no revision to go back to", "revision", number, "error", t.err)
			return nil
		}
		return fmt.Errorf("judging the live revision %d: %w", number, t.err)
	default: // it is bad
	}
	r.missing(t.rollout.Cause)
	if len(t.checks) == 0 {
		// An error is of no account here: the checks of the new one then stand alone.
		r.earlier, _ = r.cluster.Prober.Probe(ctx, Targets{Pods: t.rollout.Pods, Services: t.rollout.Services, Quick: true})
	}
	r.say("before the deploy", r.earlier)
	r.Log.Warn("the live revision did not pass: it is no revision to go back to", "revision", number, "cause", t.cause.String())
	return nil
}

// adoption is until when a live revision may be judged.
func (r *run) adoption() time.Time {
	return r.afterSoak(time.Now().Add(min(r.RollbackTimeout, r.Timeout/2)))
}

// markLive writes the verdict of the live revision, here too. A record that
// was edited takes none; the deploy makes a new one.
func (r *run) markLive(ctx context.Context, number int, verdict record.Mark) error {
	err := r.cluster.History.Mark(ctx, number, verdict)
	if record.KindOf(err) == record.KindRefused {
		r.Log.Warn("the live revision is no revision to go back to", "revision", number, "error", err)
		return nil
	}
	for i := range r.history {
		if r.history[i].Number == number && err == nil {
			r.history[i].Verdict = verdict
		}
	}
	return err
}

// say warns of checks that did not pass.
func (r *run) say(when string, checks []record.Check) {
	for _, c := range checks {
		if c.Result != record.CheckPassed {
			r.Log.Warn(fmt.Sprintf("%s, smoke %s on %s: %s", when, c.Name, c.Target, c.Result), "detail", c.Detail)
		}
	}
}
