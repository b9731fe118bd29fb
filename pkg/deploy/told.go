package deploy

import (
	"context"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// report hands out the result as it stands.
func (r *run) report() {
	if r.Report == nil {
		return
	}
	snapshot := r.result
	snapshot.Release = new(record.Release)
	*snapshot.Release = *r.result.Release
	snapshot.Phases, snapshot.Checks = slices.Clone(snapshot.Phases), slices.Clone(snapshot.Checks)
	r.Report(snapshot)
}

// liveImage is the image of what is live, "" when it is not known.
func (r *run) liveImage() string {
	for _, one := range append([]record.Revision{r.applied.Revision}, r.history...) {
		if one.Number == r.result.Release.Live {
			return one.Image
		}
	}
	return ""
}

// note writes the phase into the cluster. It is for the next run's information
// only: what it decides from is the history.
func (r *run) note(ctx context.Context, at state, a action) {
	if !r.locked || a.silent || r.preparesNothing(at) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	err := r.locker.Note(ctx, record.Journal{
		Holder: r.Holder, Phase: string(at), Since: time.Now().UTC(),
		Revision: r.result.Release.Revision, RollbackTarget: r.result.Release.RollbackTarget,
	})
	if err != nil {
		r.Log.Warn("noting the phase in the cluster", "phase", string(at), "error", err)
	}
}

// forget takes the journal away: there is nothing to finish.
func (r *run) forget(ctx context.Context) {
	if err := r.locker.Note(ctx, record.Journal{}); err != nil {
		r.Log.Warn("clearing the journal in the cluster", "error", err)
	}
}

// finish completes the result of a run that has come to its end.
func (r *run) finish(at state) {
	switch at {
	case good:
		r.result.Verdict = record.VerdictGood
	case rolledBack:
		r.result.Verdict = record.VerdictRolledBack
	case needsHuman:
		r.result.Verdict = record.VerdictNeedsHuman
	case refused:
		r.result.Verdict = record.VerdictRefused
	case planned, nothing, atRest:
		r.result.Verdict = record.VerdictOK
	case cancelled:
		r.cancelled()
	default: // ended: the error tells
	}
}

// cancelled says what a run did that was stopped by a signal.
func (r *run) cancelled() {
	r.result.Verdict, r.err = record.VerdictCancelled, nil
	if r.result.Advice == "" {
		r.result.Advice = "stopped by a signal before anything was changed"
	}
	if r.result.Release.Revision > 0 && r.result.Cause == nil {
		r.result.Cause = &record.Cause{Code: "deploy/cancelled", Message: "stopped by a signal after the new revision was applied"}
	}
	r.Log.Warn(r.result.Advice)
}
