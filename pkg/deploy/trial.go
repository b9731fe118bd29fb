package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy/answers"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// trial is the judging of one applied revision: a deploy's, that of a rollback, or
// the live one before a deploy. It gives events and leaves what they mean for the
// run to the caller.
type trial struct {
	run     *run
	life    context.Context //nolint:containedctx // of the soak, which runs beside the checks
	applied record.Applied
	earlier []record.Check // that the checks are weighed against
	live    bool           // it is what the next revision will be weighed against

	rollout record.Rollout
	checks  []record.Check
	cause   *record.Cause // why the revision is not good, or not proven
	err     error         // why nothing could be told
	hold    *hold
}

// judge begins to judge a revision; life is that of the soak.
func (r *run) judge(life context.Context, applied record.Applied, earlier []record.Check) *trial {
	return &trial{run: r, life: life, applied: applied, earlier: earlier}
}

// all does everything that makes a revision good.
func (t *trial) all(ctx context.Context) event {
	defer t.endSoak()
	on := t.watch(ctx)
	for _, step := range []func(context.Context) event{t.smoke, t.soak} {
		if on == passed {
			on = step(ctx)
		}
	}
	if on != passed && on != idle {
		return on
	}
	if compared := t.compare(ctx); compared != passed {
		return compared
	}
	return on
}

// watch waits until the revision is rolled out.
func (t *trial) watch(ctx context.Context) event {
	var err error
	t.rollout, err = t.run.cluster.Watcher.Watch(ctx, t.applied)
	switch {
	case t.rollout.Cause != nil:
		t.cause = t.rollout.Cause
		return failed
	case err != nil:
		return t.cannotTell(err)
	case t.idle():
		return idle
	}
	return passed
}

func (t *trial) cannotTell(err error) event {
	t.err = err
	return unclear
}

// targets are where the checks of this revision go.
func (t *trial) targets() Targets {
	return Targets{Pods: t.rollout.Pods, Services: t.rollout.Services, Enough: t.enough()}
}

// enough tells when a check has failed for certain, and not as it did before: where
// production waits for the rollback the others need not end. The checks of the live
// release are what others are weighed against: all of them count.
func (t *trial) enough() func(record.Check) bool {
	if t.live || t.run.op.changesNothing {
		return nil
	}
	return func(c record.Check) bool {
		return answers.Failed(answers.Against(t.earlier, []record.Check{c})) != nil
	}
}

// smoke sends the checks to what was rolled out while the soak has begun; when that
// shows a pod that does not last, they need not end.
func (t *trial) smoke(ctx context.Context) (on event) {
	t.beginSoak()
	defer func() {
		if on != passed {
			t.endSoak()
		}
	}()
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if t.hold.brokeBefore(asking) {
			cancel()
		}
	}()
	checks, err := t.run.cluster.Prober.Probe(asking, t.targets())
	t.checks = answers.Against(t.earlier, checks)
	if cause := t.hold.broke(); cause != nil {
		t.cause = cause
		return failed
	}
	t.cause = answers.Failed(t.checks)
	switch {
	case t.cause != nil:
		return failed
	case errors.Is(ctx.Err(), context.Canceled): // a signal, or a lost lock
		return t.cannotTell(ctx.Err())
	case ctx.Err() != nil && !t.run.op.judgesOthers: // the time of the change is up
		t.cause = answers.Inconclusive(t.checks)
		return failed
	case ctx.Err() != nil:
		t.cause = answers.Inconclusive(t.checks)
		return unproven
	case err != nil:
		return t.cannotTell(err)
	}
	if t.cause = t.doubt(); t.cause != nil {
		return unproven
	}
	return passed
}

// doubt says what keeps a revision that nothing speaks against from being proven.
func (t *trial) doubt() *record.Cause {
	switch {
	case len(t.applied.Workloads) == 0:
		return &record.Cause{Code: "deploy/not-proven", Message: "nothing that runs could be watched: " + strings.Join(t.rollout.Unproven, "; ")}
	case t.applied.Later != "":
		return &record.Cause{Code: "deploy/not-proven", Message: "nothing that runs now has the verified image: only " + t.applied.Later + " runs it, at another time"}
	case t.run.Asks && !answers.AnyPassed(t.checks):
		return t.unasked()
	case !answers.AreProof(t.checks):
		return answers.Inconclusive(t.checks)
	}
	return nil
}

// unasked names why no smoke check has passed.
func (t *trial) unasked() *record.Cause {
	if len(t.checks) > 0 {
		return answers.Inconclusive(t.checks)
	}
	why := "no pod with an HTTP port runs the image, and no Service leads to one"
	if len(t.rollout.Unproven) > 0 {
		why += "; " + strings.Join(t.rollout.Unproven, "; ")
	}
	return &record.Cause{Code: "smoke/not-proven",
		Message: "no smoke check was sent: " + why + "; name what to ask with --smoke-service, or give --smoke none when nothing answers HTTP"}
}

// soakPause lies between two rounds of smoke checks while soaking.
const soakPause = 5 * time.Second

// soak waits for the end of the soak. One that was asked for by its length repeats
// the checks, through the Services.
func (t *trial) soak(ctx context.Context) event {
	s := t.hold
	if s == nil {
		return passed
	}
	defer t.endSoak()
	var again <-chan time.Time
	if t.run.Soak > 0 {
		ticker := time.NewTicker(min(soakPause, t.run.Soak))
		defer ticker.Stop()
		again = ticker.C
	}
	for {
		select {
		case <-s.over:
			return t.soaked(s)
		case <-ctx.Done():
			return t.cannotTell(fmt.Errorf("soaking: %w", ctx.Err()))
		case <-again:
		}
		if cause := t.askAgain(ctx); cause != nil {
			t.cause = cause
			return failed
		}
	}
}

func (t *trial) soaked(s *hold) event {
	switch {
	case s.cause != nil:
		t.cause = s.cause
		return failed
	case s.err != nil:
		return t.cannotTell(s.err)
	}
	return passed
}

// askAgain repeats the checks; what cannot be asked now was asked before.
func (t *trial) askAgain(ctx context.Context) *record.Cause {
	checks, err := t.run.cluster.Prober.Probe(ctx, Targets{Services: t.rollout.Services, Quick: true})
	if err != nil {
		return nil
	}
	checks = answers.Against(t.earlier, checks)
	cause := answers.Failed(checks)
	if cause != nil {
		t.checks = append(t.checks, checks...)
	}
	return cause
}

// compare finds out whether what was judged is what was applied.
func (t *trial) compare(ctx context.Context) event {
	number := t.applied.Revision.Number
	drift, err := t.run.cluster.History.Drift(ctx, number)
	switch {
	case err != nil:
		return t.cannotTell(fmt.Errorf("comparing the live objects with revision %d: %w", number, err))
	case len(drift) > 0:
		t.cause = t.run.changed(number, drift)
		if isOpen(drift) { // no rollback would change that
			return unproven
		}
		return failed
	}
	return t.proveWriting(ctx)
}

// idle reports whether the revision wants no pod.
func (t *trial) idle() bool {
	return t.rollout.Idle || len(t.applied.Workloads) == 0 && len(t.applied.Unwatched) == 0
}
