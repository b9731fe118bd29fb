package deploy

import (
	"context"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Recover finishes what a dead or cancelled run left: it judges a live revision
// without a verdict, and replaces one that is bad or was applied in part by the
// last verified-good one.
func Recover(ctx context.Context, o Options) (Result, error) {
	return start(ctx, o, recoverTable, locking, func(*run) {})
}

// Gate judges the newest revision, which somebody else applied, and writes the
// verdict. It changes nothing else. The verdict refused says that it is bad.
func Gate(ctx context.Context, o Options) (Result, error) {
	return start(ctx, o, gateTable, locking, func(r *run) { r.gating = true })
}

// survey finds out what there is to judge or to undo.
func (r *run) survey(ctx context.Context) event {
	if err := r.look(ctx); err != nil {
		return r.breaks(err)
	}
	newest, found := newest(r.history)
	if !found {
		return r.breaks(pipeline.Refused("status/no-release", "there is no release %q in namespace %q", r.Release, r.Namespace))
	}
	r.result.Release.Revision = newest.Number
	// An older record may lack a digest; the field then stays empty.
	r.result.Image, _ = pipeline.ParseImage(newest.Image)
	if r.gating {
		return r.judge(ctx, newest)
	}
	if journal, err := r.locker.Journal(ctx); err == nil && journal.Phase != "" && newest.Verdict != pipeline.MarkGood {
		r.Log.Warn("an earlier run did not come to its end", "holder", journal.Holder, "phase", journal.Phase, "since", journal.Since)
	}
	switch {
	case newest.Status != "deployed":
		return r.undoPart(ctx, newest)
	case newest.Verdict == pipeline.MarkPending:
		return r.judge(ctx, newest)
	case newest.Verdict == pipeline.MarkBad:
		r.result.Cause = &pipeline.Cause{Code: "deploy/known-bad", Object: "Release/" + r.Release,
			Message: fmt.Sprintf("revision %d failed its checks at %s and was not replaced", newest.Number, newest.MarkedAt.UTC().Format(timeFormat))}
		return undo
	}
	r.result.Release.Live = newest.Number
	r.Log.Info("nothing to recover", "revision", newest.Number, "verdict", verdictWord(newest))
	return untouched
}

// judge makes a revision the one that is watched and smoked.
func (r *run) judge(ctx context.Context, revision pipeline.Revision) event {
	r.Log.Info("judging a revision", "revision", revision.Number, "status", revision.Status, "verdict", verdictWord(revision))
	applied, err := r.cluster.Releases.Describe(ctx, revision.Number)
	if err != nil {
		return r.breaks(err)
	}
	r.applied = applied
	return passed
}

// undoPart deals with a revision that was applied in part: the last verified-good
// one replaces it; where there is none it is completed and judged.
func (r *run) undoPart(ctx context.Context, part pipeline.Revision) event {
	r.Log.Warn("a revision was applied in part", "revision", part.Number, "status", part.Status)
	if r.result.Release.PreviousGood > 0 {
		r.result.Cause = &pipeline.Cause{Code: "deploy/interrupted", Object: "Release/" + r.Release,
			Message: fmt.Sprintf("revision %d was applied in part: its status is %s", part.Number, part.Status)}
		return undo
	}
	applied, err := r.cluster.Applier.Rollback(ctx, part.Number)
	r.repaired(applied)
	if isAbandoned(err) {
		return r.leave()
	}
	if err != nil {
		r.result.Advice = fmt.Sprintf("completing revision %d: %v", part.Number, err)
		return failed
	}
	r.applied, r.result.Release.Revision, r.result.Release.Live = applied, applied.Revision.Number, applied.Revision.Number
	return passed
}
