package deploy

import (
	"context"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// preflight looks for what would make the change fail, without changing anything.
func (r *run) preflight(ctx context.Context) event {
	lookErr := r.look(ctx)
	if lookErr != nil && !r.goesOn(lookErr) {
		return r.abort(lookErr)
	}
	plan, err := r.plan(ctx)
	if err != nil {
		return r.abort(err)
	}
	plan.Migrations = r.foresee(ctx, plan)
	r.result.Migrations = plan.Migrations
	if r.result.Concerns, err = r.cluster.Check(ctx, plan); err != nil {
		return r.abort(err)
	}
	if lookErr != nil {
		return r.abort(lookErr)
	}
	if r.DryRun {
		if err := r.forewarnByHand(ctx); err != nil {
			return r.abort(err)
		}
		r.result.Changes = plan.Changes
		return untouched
	}
	return passed
}

// foresee compares the migrations of the live image with those of the one that comes, by
// a deploy or a rollback; nil where one of them is not known.
func (r *run) foresee(ctx context.Context, plan record.Plan) *record.Migrations {
	live, found := revisions.Live(r.history)
	next := plan.Applied.Revision.Image
	if r.op.appliesChart {
		next = r.image.Image().String()
	}
	if !found || live.Image == "" || next == "" || r.cluster.Databases == nil {
		return nil
	}
	return r.cluster.Databases.Foresee(ctx, live.Image, next, plan)
}

// goesOn reports whether there is more to find out although the history may not be
// read: the checks name everything else that is missing, too.
func (r *run) goesOn(lookErr error) bool {
	return record.KindOf(lookErr) == record.KindRefused && r.op.appliesChart
}

// look reads the history. After the lock it is read again: another run may have
// been at work in between.
func (r *run) look(ctx context.Context) (err error) {
	r.history, err = r.cluster.History.History(ctx)
	if err != nil {
		return err
	}
	if live, found := revisions.Live(r.history); found {
		r.result.Release.Live = live.Number
	}
	if !r.op.byHand { // which has chosen a target of its own
		r.result.Release.RollbackTarget = r.unrefused().Number
	}
	return nil
}

// plan asks what would change: by the chart, or by the rollback.
func (r *run) plan(ctx context.Context) (record.Plan, error) {
	if r.op.appliesChart {
		return r.cluster.Changer.Plan(ctx, r.image.Image())
	}
	target, err := r.choose(ctx)
	if err != nil {
		return record.Plan{}, err
	}
	return r.cluster.Changer.PlanRollback(ctx, target.Number)
}

// settle undoes what a dead run applied in part. Helm takes the last complete
// revision for what is live, so that objects and fields of a partial one would
// outlive the next. What was uninstalled is for the apply to install again.
func (r *run) settle(ctx context.Context) event {
	if err := r.look(ctx); err != nil {
		return r.abort(err)
	}
	newest, found := revisions.Newest(r.history)
	if !found || newest.Status == record.StatusDeployed || newest.IsUninstalled() {
		return passed
	}
	target, found := r.trusted(ctx)
	if !found {
		return passed
	}
	if why := r.remains(ctx, newest, target); why != "" {
		r.Log.Warn("an earlier run applied a revision in part, which stays until this deploy replaces it: "+why, "revision", newest.Number)
		return passed
	}
	r.Log.Warn("an earlier run applied a revision in part; putting the last verified-good one back first",
		"revision", newest.Number, "status", newest.Status, "back-to", target.Number)
	applied, err := r.cluster.Changer.Rollback(ctx, target.Number, nil)
	switch {
	case isAbandoned(err):
		return r.abandon()
	case record.KindOf(err) == record.KindRefused:
		return r.abort(err) // another helm is at work, say
	case err != nil:
		// The new revision may be what repairs it.
		r.Log.Warn("putting it back", "error", err)
	default:
		r.result.Repairs = append(r.result.Repairs, fmt.Sprintf("revision %d, which an earlier run had applied in part, was replaced by a copy of %d", newest.Number, target.Number))
	}
	r.repaired(applied)
	if err := r.look(ctx); err != nil {
		return r.abort(err)
	}
	return passed
}

// repaired keeps what an apply or rollback had to do beyond Helm's own work.
func (r *run) repaired(applied record.Applied) {
	r.result.Repairs = append(r.result.Repairs, applied.Repairs...)
}
