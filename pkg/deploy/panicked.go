package deploy

import (
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// guarded does an action; a panic in it becomes the event that leads to where the
// run can still end well.
func (r *run) guarded(at state, do func() event) (on event) {
	defer func() {
		if recovered := recover(); recovered != nil {
			on = r.panicked(at, record.NewPanicked(recovered))
		}
	}()
	return do()
}

// panicked decides about a panic. Before the apply nothing has changed; a revision
// that cannot be judged gives way like a bad one; what only judges could not tell;
// and without evidence, or a note of it, the rollback goes on.
func (r *run) panicked(at state, err *record.Panicked) event {
	r.Log.Error(fmt.Sprintf("%s: %v", at, err))
	r.Log.Debug(err.Stack)
	switch at {
	case applying:
		return r.panickedApply(err)
	case watching, smoking, soaking, comparing:
		if r.op.judgesOthers {
			return r.told(unclear, nil, err)
		}
		r.result.Cause = &record.Cause{Code: "deploy/panicked", Message: err.Error()}
		return failed
	case evidence:
		return passed
	case asking:
		if r.op.byHand {
			return r.abort(err)
		}
		fallthrough
	case marking, deciding, takingBack, rollingBack, regating, hurrying:
		r.result.Advice = fmt.Sprintf("%s: %v; `stagecrew recover` or the next deploy finishes it", at, err)
		if r.result.Cause == nil {
			r.result.Cause = &record.Cause{Code: "deploy/panicked", Message: err.Error()}
		}
		return failed
	default:
		return r.abort(err)
	}
}

// panickedApply asks the history whether the apply came to a revision.
func (r *run) panickedApply(err *record.Panicked) event {
	before := 0
	if last, found := revisions.Newest(r.history); found {
		before = last.Number
	}
	if lookErr := r.look(r.held); lookErr != nil {
		r.Log.Warn("reading what the apply left", "error", lookErr)
	}
	last, found := revisions.Newest(r.history)
	if !found || last.Number == before {
		return r.abort(err)
	}
	r.applied = record.Applied{Revision: last}
	r.result.Release.Revision = last.Number
	return r.applyFailed(err)
}
