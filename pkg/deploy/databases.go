package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// askTime bounds the question to the databases before a rollback: production waits.
	askTime = 30 * time.Second
	// lockTime bounds it before a deploy that needs to know nothing but whether a lock is
	// held: each waits for that, also where no way leads to the database.
	lockTime = 5 * time.Second
	// briefTime bounds it where less time is left.
	briefTime = 2 * time.Second
)

// ask finds out whether the image that is gone back to runs on what the databases hold.
func (r *run) ask(ctx context.Context) event {
	if r.op.byHand {
		return r.askByHand(ctx)
	}
	target, o := r.ahead(ctx)
	switch {
	case o.why == "":
		return passed
	case r.mayUndo(o):
		return migrated
	}
	r.stay(target, o.why)
	return failed
}

// ahead is the revision that is to be gone back to, and what stands against it. A recovery
// has not looked at what it replaces yet.
func (r *run) ahead(ctx context.Context) (record.Revision, obstacle) {
	if len(r.applied.Workloads) == 0 && r.cluster.Databases != nil {
		described, err := r.cluster.History.Describe(ctx, r.result.Release.Revision)
		if err != nil {
			r.Log.Warn("reading what was applied", "error", err)
		}
		r.applied.Workloads = described.Workloads
	}
	target, _ := revisions.Find(r.history, r.result.Release.RollbackTarget)
	return target, r.hindrance(ctx, r.result.Image.String(), r.applied, target)
}

// stay leaves the failed revision, with the reason in the advice.
func (r *run) stay(target record.Revision, why string) {
	failed := fmt.Sprintf("revision %d runs", r.result.Release.Revision)
	if r.result.Cause != nil {
		failed = fmt.Sprintf("revision %d did not pass: %s;", r.result.Release.Revision, r.result.Cause)
	}
	r.result.Advice = fmt.Sprintf("%s it was not rolled back to %d: %s", failed, target.Number, why)
	if !r.isStopped() {
		r.Log.Error(r.result.Advice)
	}
}

// askByHand asks before a rollback by hand. The target is chosen again under the lock.
func (r *run) askByHand(ctx context.Context) event {
	if err := r.look(ctx); err != nil {
		return r.abort(err)
	}
	target, err := r.choose(ctx)
	if err != nil {
		return r.abort(err)
	}
	o, err := r.inTheWay(ctx, target)
	switch {
	case err != nil:
		return r.abort(err)
	case r.mayUndo(o):
		return migrated
	case o.why != "":
		return r.abort(r.refusal(target, o.why))
	}
	return passed
}

// forewarnByHand asks for a dry run of a rollback what [run.askByHand] will.
func (r *run) forewarnByHand(ctx context.Context) error {
	target, found := revisions.Find(r.history, r.result.Release.RollbackTarget)
	if !r.op.byHand || !found {
		return nil
	}
	o, err := r.inTheWay(ctx, target)
	switch {
	case err != nil:
		return err
	case r.mayUndo(o):
		_, err = r.announce(ctx)
		return err
	case o.why != "":
		return r.refusal(target, o.why)
	}
	return nil
}

// remains says why a revision that was applied in part is not replaced by an earlier one,
// "" when it is.
func (r *run) remains(ctx context.Context, part, target record.Revision) string {
	if r.cluster.Databases == nil {
		return ""
	}
	applied, err := r.cluster.History.Describe(ctx, part.Number)
	if err != nil {
		r.Log.Warn("reading what was applied in part", "error", err)
	}
	return r.hindrance(ctx, part.Image, applied, target).why
}

// inTheWay is what stands against a rollback by hand.
func (r *run) inTheWay(ctx context.Context, target record.Revision) (obstacle, error) {
	live, found := revisions.Live(r.history)
	if !found || r.cluster.Databases == nil || r.compareImages(ctx, live.Image, target).Rollback == record.RollbackFree {
		return obstacle{}, nil
	}
	applied, err := r.cluster.History.Describe(ctx, live.Number)
	if err != nil {
		return obstacle{}, err
	}
	return r.hindrance(ctx, live.Image, applied, target), nil
}

// refusal is the error of a rollback by hand to an image that would not run.
func (r *run) refusal(target record.Revision, why string) error {
	return record.Refused("rollback/migrated", "going back from revision %d to %d: %s", r.result.Release.Live, target.Number, why)
}

// obstacle is what stands against a revision taking the place of one with another image.
type obstacle struct {
	// why has the commands that help; "" when nothing is known that speaks against it.
	why string
	// undoing is what a policy can take out of the way; nil where none can.
	undoing *Undoing
}

// hindrance looks for what stands against a revision taking the place of one with another
// image. A lock of the migrations that is held stands against any: none would start.
func (r *run) hindrance(ctx context.Context, from string, applied record.Applied, target record.Revision) obstacle {
	if r.cluster.Databases == nil {
		return obstacle{}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	m := r.compareImages(ctx, from, target)
	if m.Rollback != record.RollbackNeedsDatabase && !r.metLock() {
		if m.Rollback == record.RollbackUnknown {
			r.Log.Warn("going back although nobody knows whether the databases allow it: "+m.String(), "revision", target.Number)
		}
		return obstacle{}
	}
	state, err := r.cluster.Databases.Ask(ctx, applied.Workloads, m)
	r.result.Databases = &state
	if err != nil {
		return obstacle{why: r.unasked(m, err)}
	}
	switch {
	case len(state.Locked) > 0:
		return obstacle{why: r.lockHeld(state.Locked)}
	case len(state.Down) > 0:
		return obstacle{r.migrated(applied, target, state), &Undoing{applied, from, target, m, state}}
	case m.Rollback == record.RollbackNeedsDatabase && len(m.Plugins) == 0:
		return obstacle{why: m.Why + ", and no names of files tell whether that was done; " + r.forward()}
	}
	r.Log.Info("the databases hold none of the migrations that the image adds", "revision", target.Number)
	return obstacle{}
}

// unasked decides where the databases did not tell.
func (r *run) unasked(m record.Migrations, err error) string {
	switch {
	case record.CodeOf(err) == record.CodeNoDatabase:
		r.Log.Warn("going back although nobody can ask whether the databases allow it: "+m.String(), "error", err)
		return ""
	case record.CodeOf(err) == record.CodeWrongPassword && !r.op.byHand && m.Rollback == record.RollbackNeedsDatabase:
		r.Log.Warn("the databases let nobody in with what the pods have, so that these cannot have migrated them", "error", err)
		return ""
	case m.Rollback != record.RollbackNeedsDatabase:
		r.Log.Warn("asking the database who holds the lock of its migrations", "error", err)
		return ""
	}
	return fmt.Sprintf("%s, and whether these are applied could not be found out: %v", m.Why, err)
}

// compareImages says what going back needs. What was found out is remembered.
func (r *run) compareImages(ctx context.Context, from string, target record.Revision) record.Migrations {
	if from == target.Image {
		return record.Migrations{Rollback: record.RollbackFree, Why: "both run the same image"}
	}
	pair := [2]string{from, target.Image}
	if known, found := r.needs[pair]; found {
		return known
	}
	// The preflight has asked, and what workloads say by an annotation is in it.
	if m := r.result.Migrations; m != nil && m.To == from && m.From == target.Image {
		return *m
	}
	if from == "" || target.Image == "" {
		return record.Migrations{Rollback: record.RollbackUnknown, Why: "an image is not known by its digest"}
	}
	m, err := r.cluster.Databases.Compare(ctx, from, target.Image)
	if err != nil {
		return record.Migrations{Rollback: record.RollbackUnknown, Why: err.Error()}
	}
	r.needs[pair] = m
	return m
}
