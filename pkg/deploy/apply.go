package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// apply changes the cluster: by the chart, or by an earlier revision.
func (r *run) apply(ctx context.Context) event {
	var err error
	if r.op.appliesChart {
		r.applied, err = r.cluster.Changer.Apply(ctx, r.image)
	} else {
		r.applied, err = r.putBack(ctx)
	}
	r.result.Release.Revision = r.applied.Revision.Number
	r.repaired(r.applied)
	if err != nil {
		return r.applyFailed(err)
	}
	r.result.Release.Live = r.applied.Revision.Number
	r.startAgain(ctx)
	r.result.Advice = fmt.Sprintf("revision %d was applied but is not proven; `stagecrew recover` or the next deploy judges it", r.applied.Revision.Number)
	return passed
}

// putBack applies the target of a rollback by hand. It is chosen again: another
// run may have been at work before this one had the lock.
func (r *run) putBack(ctx context.Context) (record.Applied, error) {
	if err := r.look(ctx); err != nil {
		return record.Applied{}, err
	}
	target, err := r.choose(ctx)
	if err != nil {
		return record.Applied{}, err
	}
	return r.cluster.Changer.Rollback(ctx, target.Number, r.variables())
}

// causer is an error that names what made an apply fail, see [record.Cause].
type causer interface{ DeployCause() record.Cause }

// applyFailed decides about an apply that did not go through: without a revision
// in the history and without a cause nothing has changed.
func (r *run) applyFailed(err error) event {
	var named causer
	var bug *record.Panicked
	switch {
	case isAbandoned(err):
		return r.abandon()
	case errors.As(err, &named):
		cause := named.DeployCause()
		r.result.Cause = &cause
	case r.result.Release.Revision == 0:
		return r.abort(err)
	case errors.As(err, &bug):
		r.result.Cause = &record.Cause{Code: "deploy/panicked", Message: err.Error()}
	default:
		r.result.Cause = &record.Cause{Code: "deploy/apply-failed", Message: err.Error()}
	}
	r.partial = true
	r.result.Advice = "the change was applied in part: " + r.result.Cause.String()
	return failed
}

// abandon ends a run that may not touch the release any more: Helm is still at work.
func (r *run) abandon() event {
	r.result.Advice = "stopped by a signal while the release was being changed; `stagecrew recover` or the next deploy finishes it"
	return abandoned
}

// isAbandoned reports whether Helm was left at work because of a signal.
func isAbandoned(err error) bool { return errors.Is(err, context.Canceled) }
