package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
)

// evidence gathers what is known of the failed revision before anything else is
// touched, and marks it bad: whatever happens to this run, it is not taken for a
// target.
func (r *run) evidence(ctx context.Context) event {
	revision := r.applied.Revision.Number
	r.Log.Error(fmt.Sprintf("revision %d did not pass: %s", revision, r.result.Cause))
	r.fresh()
	r.markBad(ctx, revision)
	if r.isStopped() { // nothing more can be asked
		r.result.Advice = fmt.Sprintf("revision %d did not pass: %s", revision, r.result.Cause)
		return stopped
	}
	if len(r.applied.Workloads) == 0 {
		// An apply that failed says only which revision it made.
		if described, err := r.cluster.History.Describe(ctx, revision); err == nil {
			r.applied = described
		}
	}
	known := r.cluster.Watcher.Collect(ctx, r.applied, *r.result.Cause)
	diff, err := r.cluster.History.Diff(ctx, r.result.Release.RollbackTarget, revision)
	if err != nil {
		r.warn("comparing the manifests", err)
	}
	known.Diff = diff
	secrets, err := r.cluster.History.Secrets(ctx, revision)
	if err != nil {
		r.warn("reading which values are secret; the logs are left out of the evidence", err)
		known.Logs = nil
	}
	known = redact.Copy(redact.Of(append(slices.DeleteFunc(secrets, r.public), r.Withhold...)...), known)
	*r.result.Cause = known.Cause
	r.result.Diagnosis = &known
	if r.Keep != nil {
		if r.result.Evidence, err = r.Keep(known); err != nil {
			r.Log.Warn("keeping the evidence", "error", err)
		}
	}
	r.result.Advice = fmt.Sprintf("revision %d did not pass: %s", revision, r.result.Cause)
	if r.mend != "" {
		r.Log.Warn("what to do: " + r.mend)
		r.result.Advice += "; " + r.mend
	}
	return passed
}

// isStopped reports whether a signal ends this run.
func (r *run) isStopped() bool { return errors.Is(context.Cause(r.held), context.Canceled) }

// warn tells of an error that changes nothing; after a signal it would tell of that only.
func (r *run) warn(what string, err error) {
	if !r.isStopped() {
		r.Log.Warn(what, "error", err)
	}
}

// markBad writes the verdict, unless what failed was not the revision: another client
// changed or deleted what it had applied, or the lock of the migrations is held. A signal
// does not keep it from being known.
func (r *run) markBad(ctx context.Context, revision int) {
	if r.isInnocent(ctx, revision) {
		r.Log.Warn("the revision gets no verdict: what failed is not what it applied", "revision", revision)
		return
	}
	err := r.cluster.History.Mark(ctx, revision, record.MarkBad)
	if err != nil && r.isStopped() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
		defer cancel()
		err = r.cluster.History.Mark(after, revision, record.MarkBad)
	}
	if err != nil {
		r.Log.Warn("marking the revision bad", "revision", revision, "error", err)
	}
}

// isInnocent reports whether a revision failed because another client changed what it
// had applied, or because the lock of its migrations is held. A recovery and a gate, of
// which no deploy waits for a rollback, look for a change also when something else failed.
func (r *run) isInnocent(ctx context.Context, revision int) bool {
	if r.partial {
		return false
	}
	if r.isLocked(ctx) {
		return true
	}
	if r.result.Cause.Code == codeChanged || isGone(r.result.Cause) || runsAnother(r.result.Cause) {
		return true
	}
	if !r.op.judgesOthers {
		return false
	}
	drift, err := r.cluster.History.Drift(ctx, revision)
	if err != nil || len(drift) == 0 {
		return false
	}
	changed := r.changed(revision, drift)
	changed.Message += "; and so: " + r.result.Cause.String()
	r.result.Cause = changed
	return true
}

// runsAnother reports whether a rollout failed because a pod runs another image than
// its workload says: a webhook or another client has changed it.
func runsAnother(cause *record.Cause) bool { return cause.Reason == record.ReasonImageDiffers }

// public reports whether a value of a Secret is known anyway, such as a user's name
// that is the release's: without it a cause could not be read.
func (r *run) public(value string) bool {
	return strings.Contains(strings.Join([]string{r.Release, r.Namespace, r.result.Image.String()}, " "), value)
}

// fresh connects anew: the clients of the deploy may be the very thing that failed.
func (r *run) fresh() {
	cluster, err := r.Connect()
	if err != nil {
		r.Log.Warn("connecting anew for the rollback; the old connection is used", "error", err)
		return
	}
	r.cluster = cluster
}

// decide looks for a revision to go back to.
func (r *run) decide(ctx context.Context) event {
	target, found := r.trusted(ctx)
	if found {
		r.result.Release.RollbackTarget = target.Number
		r.result.Advice = ""
		return passed
	}
	r.result.Release.RollbackTarget = 0
	r.result.Advice = "no verified-good revision to go back to; nothing further was touched"
	if len(r.vouched) > 0 {
		r.result.Advice = "no verified-good revision to go back to whose image has a signature that holds; nothing further was touched"
	}
	if len(r.history) == 0 {
		r.result.Advice = fmt.Sprintf("the first install failed; its objects are kept for inspection, `helm uninstall %s --namespace %s` removes them",
			r.Release, r.Namespace)
	}
	if r.result.Cause != nil && r.result.Cause.Code == record.CodeCrashLoop {
		r.result.Advice += "; if it only waits for something that comes up later, such as its database, --rollout-rule crash-loop=ignore gives it until --timeout"
	}
	return failed
}

// rollBack puts the last verified-good revision back.
func (r *run) rollBack(ctx context.Context) event {
	target := r.result.Release.RollbackTarget
	r.fresh()
	applied, err := r.cluster.Changer.Rollback(ctx, target, r.variables())
	r.repaired(applied)
	if isAbandoned(err) {
		return r.abandon()
	}
	if err != nil {
		r.result.Advice = fmt.Sprintf("rolling back to revision %d: %v", target, err)
		return failed
	}
	r.applied, r.result.Release.Live = applied, applied.Revision.Number
	r.startAgain(ctx)
	r.result.Advice = fmt.Sprintf("the rollback to revision %d was applied but not checked; `stagecrew recover` or the next deploy finishes it", target)
	return passed
}

// regate proves the rollback as a deploy is proven.
func (r *run) regate(ctx context.Context) event {
	number, target := r.applied.Revision.Number, r.result.Release.RollbackTarget
	not := func(why string) {
		r.result.Advice = fmt.Sprintf("revision %d, the rollback to %d, did not pass: %s", number, target, why)
	}
	t := r.judge(ctx, r.applied, r.earlier)
	on := t.all(ctx)
	r.result.Checks = append(r.result.Checks, t.checks...)
	switch on {
	case passed:
	case idle:
		not("nothing runs: it wants no pod")
		return failed
	case unclear:
		not(t.err.Error())
		return unproven
	default:
		not(t.cause.String())
		if t.cause.Code == record.CodeFrozen {
			r.result.Advice += "; " + r.forward()
		}
		return on
	}
	if err := r.cluster.History.Mark(ctx, number, record.MarkGood); err != nil {
		not("it serves, but its verdict could not be written: " + err.Error())
		return failed
	}
	r.result.Advice = ""
	r.Log.Info("rolled back: the last verified-good revision serves again", "revision", number, "copy-of", target)
	return passed
}

// hurry starts the rollback after a signal without waiting for pods; the next run
// finishes it.
func (r *run) hurry(ctx context.Context) event {
	if r.result.Release.RollbackTarget == 0 {
		r.result.Advice = fmt.Sprintf("stopped by a signal; revision %d runs unproven and there is none to go back to; `stagecrew recover` or the next deploy judges it",
			r.result.Release.Revision)
		return failed
	}
	brief, cancel := context.WithTimeout(ctx, briefTime)
	defer cancel()
	if target, o := r.ahead(brief); o.why != "" {
		r.stay(target, o.why)
		return failed
	}
	return r.rollBack(ctx)
}
