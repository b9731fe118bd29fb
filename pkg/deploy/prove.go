package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// watch waits until the revision is rolled out.
func (r *run) watch(ctx context.Context) event {
	// Who gates what others applied has nothing to go back to, and is to tell soon.
	r.applied.Alone = !r.op.changesNothing && r.unrefused().Number == 0
	r.trial = r.judge(r.held, r.applied, r.earlier)
	on := r.trial.watch(ctx)
	r.doubts(r.trial.rollout.Unproven)
	return r.told(on, r.trial.cause, r.trial.err)
}

// doubts keeps what is not proven of the revision, a line each.
func (r *run) doubts(lines []string) {
	for _, line := range lines {
		r.result.Concerns = append(r.result.Concerns, record.Concern{Code: "deploy/not-proven", Message: line})
	}
}

// smoke sends the checks to what was rolled out.
func (r *run) smoke(ctx context.Context) event {
	on := r.trial.smoke(ctx)
	r.result.Checks = append(r.result.Checks, r.trial.checks...)
	return r.told(on, r.trial.cause, r.trial.err)
}

// soak keeps watching the pods for a while.
func (r *run) soak(ctx context.Context) event {
	asked := len(r.trial.checks)
	on := r.trial.soak(ctx)
	r.result.Soak = r.trial.hold.length().Seconds()
	r.doubts(r.trial.hold.doubts(r.trial.rollout.Unproven))
	r.result.Checks = append(r.result.Checks, r.trial.checks[asked:]...)
	return r.told(on, r.trial.cause, r.trial.err)
}

// compare makes sure that what was judged is what was applied.
func (r *run) compare(ctx context.Context) event {
	on := r.trial.compare(ctx)
	if on == passed {
		r.beside(ctx)
	}
	return r.told(on, r.trial.cause, r.trial.err)
}

// besideTime bounds the look at what no rollout waits for.
const besideTime = 5 * time.Second

// beside looks at what is no pod, and keeps what of it is not proven.
func (r *run) beside(ctx context.Context) {
	brief, cancel := context.WithTimeout(ctx, besideTime)
	defer cancel()
	lines, err := r.cluster.History.Doubts(brief, r.applied.Revision.Number)
	if err != nil {
		r.Log.Debug("looking at what is no pod", "error", err)
	}
	for _, line := range lines {
		r.Log.Warn("not proven: " + line)
	}
	r.doubts(lines)
}

// told keeps why a revision is not good, not proven, or could not be judged.
func (r *run) told(on event, cause *record.Cause, err error) event {
	number := r.applied.Revision.Number
	switch {
	case on == failed:
		r.result.Cause = cause
	case on == unproven && cause.Code == codeChanged:
		r.result.Cause = cause
		r.result.Advice = fmt.Sprintf("revision %d was applied, and what does not run cannot be proven: %s; %s, then `stagecrew recover` judges it", number, cause.Message, r.mend)
	case on == unproven:
		r.result.Cause = cause
		r.result.Advice = fmt.Sprintf("revision %d runs and nothing speaks against it, but nothing proves it: %s; `stagecrew recover` judges it again", number, cause.Message)
	case on == unclear && errors.Is(err, context.Canceled):
		// A signal, which is no reason.
	case on == unclear && r.op.judgesOthers:
		r.err = fmt.Errorf("judging revision %d: %w", number, err)
	case on == unclear:
		r.result.Cause = &record.Cause{Code: "deploy/gate-broken", Message: err.Error()}
		r.result.Advice = fmt.Sprintf("revision %d was applied, but it could not be judged: %v; `stagecrew recover` or the next deploy judges it", number, err)
	}
	return on
}

// mark writes the verdict. The proof is complete: a signal that comes now must not
// lose it.
func (r *run) mark(ctx context.Context) event {
	revision, verdict, on := r.applied.Revision.Number, record.MarkGood, passed
	if r.trial.idle() {
		verdict, on = record.MarkIdle, idle
	}
	err := r.cluster.History.Mark(ctx, revision, verdict)
	if r.op.judgesOthers && isNotOurs(err) {
		r.Log.Warn("judged, but no revision to go back to", "revision", revision, "error", err)
		r.result.Concerns = append(r.result.Concerns, record.Concern{Code: record.CodeNotMadeHere, Object: "Release/" + r.Release, Message: err.Error()})
		err = nil
	}
	if err != nil {
		r.result.Cause = &record.Cause{Code: "deploy/verdict-not-written", Message: err.Error()}
		r.result.Advice = fmt.Sprintf("revision %d serves and passed every check, but its verdict could not be written; `stagecrew recover` tries again", revision)
		return failed
	}
	r.result.Release.Live, r.result.Cause, r.result.Advice = revision, nil, ""
	if on == idle {
		r.result.Release.Idle = true
		r.Log.Warn("applied; nothing runs, on purpose, and so nothing is proven: this revision is no rollback target", "revision", revision)
		return on
	}
	r.Log.Info("verified good", "revision", revision, "soaked", r.trial.hold.length().Round(100*time.Millisecond))
	return on
}

// isNotOurs reports whether a revision takes no verdict because others made it.
func isNotOurs(err error) bool {
	return record.KindOf(err) == record.KindRefused && record.CodeOf(err) == record.CodeNotMadeHere
}
