package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// undoes reports whether there is a policy that does something about the databases.
func (r *run) undoes() bool { return r.cluster.Databases != nil && r.OnMigrated.Undoes() }

// mayUndo reports whether there is a policy that may take an obstacle out of the way, and
// keeps what it needs for that.
func (r *run) mayUndo(o obstacle) bool {
	if o.undoing == nil || !r.undoes() {
		return false
	}
	r.undoing = o.undoing
	return true
}

// preparesNothing reports whether a state is that of [run.prepare] without anything to do.
func (r *run) preparesNothing(at state) bool { return at == preparing && r.undoing == nil }

// prepare has the policy do what must be done before a deploy that migrates. It is not
// the new revision's time.
func (r *run) prepare(ctx context.Context) event {
	if r.undoing == nil {
		return passed
	}
	began := time.Now()
	defer func() { r.started = r.started.Add(time.Since(began)) }()
	if err := r.cluster.Databases.PrepareUndo(ctx, *r.undoing); err != nil {
		return r.abort(fmt.Errorf("preparing --on-migrated %s: %w", r.OnMigrated, err))
	}
	return passed
}

// announce says what the policy is about to do, before anything is done.
func (r *run) announce(ctx context.Context) (string, error) {
	r.result.Undo = &record.DatabaseUndo{Policy: r.OnMigrated}
	plan, err := r.cluster.Databases.PlanUndo(ctx, *r.undoing)
	r.result.Undo.Plan = plan
	if err != nil {
		r.result.Undo.Why = err.Error()
		return "", record.Refused("rollback/on-migrated", "--on-migrated %s is not possible: %w", r.OnMigrated, err)
	}
	r.Log.Warn("the migrations are in; before the rollback, by --on-migrated "+string(r.OnMigrated)+": "+plan, "revision", r.undoing.Target.Number)
	r.report()
	return plan, nil
}

// takeBack does with the databases what the policy says, so that the target runs on them.
func (r *run) takeBack(ctx context.Context) event {
	u := *r.undoing
	plan, err := r.announce(ctx)
	if err != nil {
		return r.notTakenBack(err)
	}
	r.result.Advice = fmt.Sprintf("stopped while this was done: %s; `stagecrew recover --release %s --namespace %s --on-migrated %s` goes on",
		plan, r.Release, r.Namespace, r.OnMigrated)
	began := time.Now()
	done, err := r.cluster.Databases.Undo(ctx, u)
	done.Policy, done.Plan, done.Done, done.Seconds = r.OnMigrated, plan, err == nil, time.Since(began).Seconds()
	r.result.Undo = &done
	if err != nil {
		done.Why = err.Error()
		r.stay(u.Target, fmt.Sprintf("%s failed: %v; %s", r.OnMigrated, err, r.migrated(u.Applied, u.Target, r.stillIn(done))))
		return failed
	}
	r.result.Advice = ""
	return passed
}

// startAgain starts what was stopped for the databases' sake.
func (r *run) startAgain(ctx context.Context) {
	if r.cluster.Databases == nil {
		return
	}
	if err := r.cluster.Databases.Start(ctx, r.applied.Workloads); err != nil {
		r.Log.Warn("starting pods again that were stopped while the databases went back", "error", err)
	}
}

// variables are what the policy gives the revision that is gone back to.
func (r *run) variables() map[string]string {
	if r.result.Undo == nil || !r.result.Undo.Done {
		return nil
	}
	return r.result.Undo.Set
}

// notTakenBack ends what the policy cannot do: nothing was changed.
func (r *run) notTakenBack(err error) event {
	u := r.undoing
	why := fmt.Sprintf("%v; %s", err, r.migrated(u.Applied, u.Target, u.State))
	if r.op.byHand {
		return r.abort(r.refusal(u.Target, why))
	}
	r.stay(u.Target, why)
	return failed
}

// stillIn is what the databases hold after a policy failed.
func (r *run) stillIn(done record.DatabaseUndo) record.DatabaseState {
	state := r.undoing.State
	if len(done.Out) > 0 {
		state.Down = done.Left
	}
	return state
}

// proveWriting finds out whether a revision that has passed every check works with what the
// databases hold, where it was told not to compare that with its files.
func (t *trial) proveWriting(ctx context.Context) event {
	if t.run.cluster.Databases == nil || t.idle() {
		return passed
	}
	cause, err := t.run.cluster.Databases.Frozen(ctx, t.applied.Workloads)
	switch {
	case err != nil:
		return t.cannotTell(err)
	case cause != nil:
		t.cause = cause
		return failed
	}
	return passed
}
