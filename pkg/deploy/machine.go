package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// run is the state of one deployment, rollback, gate or recovery.
type run struct {
	Options
	op              operation
	image           record.Verified      // what a deploy deploys
	wanted          revisions.RollbackTo // what a rollback by hand wants
	cluster         Cluster
	locker          Locker // the one that holds the lock, whatever cluster becomes
	locked          bool
	unlock          func(context.Context) error
	held            context.Context //nolint:containedctx // while the lock is held; the soak goes on from step to step
	started         time.Time
	rollbackStarted time.Time // when the rollback began

	history []record.Revision
	dead    record.Journal                  // what the run before wrote, which did not come to its end
	vouched map[string]error                // what the verification of an image said, by reference
	needs   map[[2]string]record.Migrations // what going back from one image to another needs, by both
	undoing *Undoing                        // what the policy about migrations has to do with
	applied record.Applied                  // what is judged
	trial   *trial                          // its judging
	partial bool                            // it was applied in part only
	mend    string                          // advice: what puts a drift of the live objects right
	earlier []record.Check                  // of the live release, before the deploy
	result  record.Record
	err     error // with which the run ends where there is no verdict
}

// action is what a run does in a state.
type action struct {
	do func(*run, context.Context) event
	// budget bounds it.
	budget func(*run) time.Time
	// always runs it after a signal, too.
	always bool
	// silent keeps it out of the record's phases.
	silent bool
}

// actAfterCancel is how long a run may go on after a signal: GitHub kills a step
// ten seconds after the first one, and the lock is to be released, too.
const (
	actAfterCancel = 5 * time.Second
	unlockAfter    = time.Second
)

// noteTime bounds the noting of a phase.
const noteTime = 2 * time.Second

// evidenceTime bounds the gathering of evidence: production waits for the rollback.
const evidenceTime = 10 * time.Second

func (r *run) deployDeadline() time.Time   { return r.started.Add(r.Timeout) }
func (r *run) rollbackDeadline() time.Time { return r.rollbackStarted.Add(r.RollbackTimeout) }
func within(d time.Duration) func(*run) time.Time {
	return func(*run) time.Time { return time.Now().Add(d) }
}

// compareTime is what the comparison has in any case, also when the deploy's time
// has gone by.
const compareTime = time.Minute

func actions() map[state]action {
	return map[state]action{
		preflight:   {do: (*run).preflight, budget: (*run).deployDeadline},
		locking:     {do: (*run).lock, budget: (*run).deployDeadline},
		settling:    {do: (*run).settle, budget: (*run).deployDeadline, silent: true},
		baseline:    {do: (*run).baseline, budget: func(r *run) time.Time { return later(r.deployDeadline(), r.adoption()) }},
		surveying:   {do: (*run).survey, budget: (*run).deployDeadline},
		preparing:   {do: (*run).prepare, budget: (*run).deployDeadline},
		applying:    {do: (*run).apply, budget: (*run).deployDeadline},
		watching:    {do: (*run).watch, budget: (*run).deployDeadline},
		smoking:     {do: (*run).smoke, budget: (*run).deployDeadline},
		soaking:     {do: (*run).soak, budget: func(r *run) time.Time { return r.afterSoak(r.deployDeadline()) }},
		comparing:   {do: (*run).compare, budget: func(r *run) time.Time { return later(r.deployDeadline(), time.Now().Add(compareTime)) }},
		marking:     {do: (*run).mark, budget: within(actAfterCancel), always: true, silent: true},
		evidence:    {do: (*run).evidence, budget: within(evidenceTime)},
		deciding:    {do: (*run).decide, budget: within(evidenceTime), silent: true},
		asking:      {do: (*run).ask, budget: within(askTime), silent: true},
		takingBack:  {do: (*run).takeBack, budget: func(r *run) time.Time { return time.Now().Add(r.RollbackTimeout) }},
		rollingBack: {do: (*run).rollBack, budget: (*run).rollbackDeadline},
		regating:    {do: (*run).regate, budget: func(r *run) time.Time { return r.afterSoak(r.rollbackDeadline()) }},
		hurrying:    {do: (*run).hurry, budget: within(actAfterCancel), always: true},
	}
}

// start runs the operation's table from its first state to an end.
func start(ctx context.Context, o Options, op operation, prepare func(*run)) (record.Record, error) {
	r := &run{Options: o.withDefaults(), op: op, started: time.Now(), held: ctx, vouched: map[string]error{}, needs: map[[2]string]record.Migrations{}}
	r.result.Verdict = record.VerdictUnknown
	r.result.Release = &record.Release{Name: o.Release, Namespace: o.Namespace}
	prepare(r)
	if o.DryRun && op.first != preflight {
		return r.result, record.BadInput("deploy/no-dry-run", "%s of release %q: there is no dry run of it, only of a deploy and a rollback", op.name, o.Release)
	}
	var err error
	if r.cluster, err = r.Connect(); err != nil {
		return r.result, err
	}
	r.locker = r.cluster.Locker
	r.Namespace = cmp.Or(r.cluster.Namespace, r.Namespace)
	r.result.Release.Namespace = r.Namespace
	at := r.walk()
	r.finish(at)
	r.result.Release.LiveImage = r.liveImage()
	r.releaseLock(ctx, at)
	return r.result, r.err
}

// walk goes through the table and gives the end.
func (r *run) walk() state {
	at := r.op.first
	for do := actions(); ; {
		a, found := do[at]
		if !found {
			return at
		}
		on := r.step(at, a)
		if r.saw != nil {
			r.saw(at, on)
		}
		next, known := r.op.table.next(at, on)
		if !known {
			// A bug: what holds the lock must give it back all the same.
			r.err = fmt.Errorf("the state machine of %s has no way from %q on %q", r.op.name, at, on)
			return ended
		}
		at = next
	}
}

// releaseLock gives the lock back.
func (r *run) releaseLock(ctx context.Context, at state) {
	if r.trial != nil {
		r.trial.endSoak()
	}
	if !r.locked {
		return
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockAfter)
	defer cancel()
	err := record.Guard(func() error {
		if at != cancelled || r.op.changesNothing {
			r.forget(after)
		}
		return r.unlock(after)
	})
	if err != nil {
		r.Log.Warn("releasing the lock; it runs out by itself", "error", err)
	}
}

// step runs one action within its budget. What happened to the context counts
// more than what the action made of it.
func (r *run) step(at state, a action) event {
	held := r.held
	if held.Err() != nil && !a.always {
		return r.interrupted(held)
	}
	base := held
	if a.always {
		base = context.WithoutCancel(held)
	}
	if at == rollingBack {
		r.rollbackStarted = time.Now()
	}
	ctx, cancel := context.WithDeadline(base, a.budget(r))
	defer cancel()
	r.note(ctx, at, a)
	on := r.phase(at, a, func() event { return r.guarded(at, func() event { return a.do(r, ctx) }) })
	if held.Err() != nil && !a.always && on != passed && on != abandoned {
		return r.interrupted(held)
	}
	if on == broken && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.err = r.overdue(at, a, r.err)
	}
	return on
}

// overdue is the error of a step whose time is over: who was still at work when it was
// says nothing of whether it answers, or accepts what it was given. An error that does
// not come from that stays as it is. Helm and client-go's rate limiter keep its words only.
func (r *run) overdue(at state, a action, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		return err
	}
	return record.Unavailable("deploy/timeout", "the time of the %s, %s, was over before it had changed anything, in the step %q: %w; give it more (--timeout, for a rollback --rollback-timeout)",
		r.op.name, text.Duration(a.budget(r).Sub(r.started)), at, err)
}

// lock takes the lock. It outlives the budget of the deploy: a rollback needs it,
// too.
func (r *run) lock(ctx context.Context) event {
	held, unlock, err := r.locker.Lock(r.held, r.Holder)
	if err != nil {
		return r.abort(err)
	}
	r.held, r.unlock, r.locked = held, unlock, true
	if r.op.readsJournal {
		// The first note of this run takes its place.
		if r.dead, err = r.locker.Journal(ctx); err != nil {
			r.Log.Warn("reading what the last run noted", "error", err)
		}
	}
	return passed
}

// interrupted tells a signal from a lost lock.
func (r *run) interrupted(held context.Context) event {
	if r.trial != nil {
		r.trial.endSoak()
	}
	cause := context.Cause(held)
	if errors.Is(cause, context.Canceled) {
		return stopped
	}
	r.err, r.locked = cause, false
	return lost
}

// abort ends the run with an error: nothing was changed.
func (r *run) abort(err error) event {
	r.err = err
	return broken
}

// phase runs one step and notes its time and result.
func (r *run) phase(at state, a action, step func() event) event {
	if a.silent || at == soaking && r.Soak < 0 || r.preparesNothing(at) {
		return step()
	}
	r.Log.Info(string(at))
	r.report()
	p := record.Phase{Name: string(at), Start: time.Now(), Result: record.PhaseOK}
	on := step()
	p.End = time.Now()
	switch on {
	case passed, idle, untouched, undo:
	case stopped, abandoned:
		p.Result = record.PhaseCancelled
	default:
		p.Result = record.PhaseFailed
	}
	r.result.Phases = append(r.result.Phases, p)
	return on
}
