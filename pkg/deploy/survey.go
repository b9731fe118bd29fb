package deploy

import (
	"context"
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// NoRelease is the refusal to look at a release that there is not.
func NoRelease(name, namespace string) error {
	return record.Refused("status/no-release", "there is no release %q in namespace %q", name, namespace)
}

// survey finds out what there is to judge or to undo.
func (r *run) survey(ctx context.Context) event {
	if err := r.look(ctx); err != nil {
		return r.abort(err)
	}
	newest, found := revisions.Newest(r.history)
	if !found {
		return r.abort(NoRelease(r.Release, r.Namespace))
	}
	r.result.Release.Revision = newest.Number
	// An older record may lack a digest; the field then stays empty.
	r.result.Image, _ = record.ParseImage(newest.Image)
	if r.op.changesNothing {
		return r.compareFirst(ctx, newest)
	}
	if err := r.unlockMigrations(ctx, newest); err != nil {
		return r.abort(err)
	}
	if r.dead.Phase != "" && newest.Verdict != record.MarkGood {
		r.Log.Warn("an earlier run did not come to its end", "holder", r.dead.Holder, "phase", r.dead.Phase, "since", r.dead.Since.UTC().Format(revisions.TimeFormat))
	}
	switch {
	case newest.Foreign:
		return r.abort(record.Refused("release/locked", "revision %d is %s since %s, and not by stagecrew: somebody's helm is at work; wait for it to end",
			newest.Number, newest.Status, newest.Deployed.UTC().Format(revisions.TimeFormat)))
	case newest.IsUninstalled():
		return r.uninstalled(newest)
	case newest.Status != record.StatusDeployed:
		return r.undoPart(ctx, newest)
	case newest.Verdict == record.MarkPending:
		return r.examine(ctx, newest)
	case newest.Verdict == record.MarkBad:
		r.result.Cause = &record.Cause{Code: "deploy/known-bad", Object: "Release/" + r.Release,
			Message: fmt.Sprintf("revision %d failed its checks at %s and was not replaced", newest.Number, newest.MarkedAt.UTC().Format(revisions.TimeFormat))}
		return undo
	}
	r.result.Release.Live, r.result.Release.Revision = newest.Number, 0
	r.Log.Info("nothing to recover", "revision", newest.Number, "verdict", revisions.Verdict(newest))
	if newest.Verdict == record.MarkNone {
		r.result.Advice = fmt.Sprintf("nobody has judged revision %d, which somebody else applied; `stagecrew gate` or the next deploy does", newest.Number)
		r.Log.Warn(r.result.Advice)
	}
	r.compareLive(ctx, newest)
	return untouched
}

// uninstalled leaves a release that was uninstalled, to the end or not.
func (r *run) uninstalled(newest record.Revision) event {
	r.result.Release.Live, r.result.Release.Revision = 0, 0
	r.result.Advice = fmt.Sprintf("the release was uninstalled after revision %d (%s); the next deploy installs it again", newest.Number, newest.Status)
	if newest.Status == record.StatusUninstalling {
		r.result.Advice = fmt.Sprintf("`helm uninstall` of the release did not come to its end; `helm uninstall %s --namespace %s` finishes it", r.Release, r.Namespace)
	}
	r.Log.Warn("nothing to recover: " + r.result.Advice)
	return untouched
}

// compareLive says when a revision that needs no recovery is not what is live.
func (r *run) compareLive(ctx context.Context, live record.Revision) {
	drift, err := r.cluster.History.Drift(ctx, live.Number)
	if err != nil {
		r.Log.Warn("comparing the live objects with the revision", "revision", live.Number, "error", err)
	}
	if len(drift) == 0 {
		return
	}
	advice := r.changed(live.Number, drift).Message + "; " + r.mend
	r.Log.Warn(advice)
	r.result.Advice = strings.TrimPrefix(r.result.Advice+"; "+advice, "; ")
}

// compareFirst judges a revision that another tool applied. Where its objects were
// changed since, nothing has to be waited for.
func (r *run) compareFirst(ctx context.Context, revision record.Revision) event {
	on := r.examine(ctx, revision)
	if on != passed || revision.Status != record.StatusDeployed {
		return on
	}
	drift, err := r.cluster.History.Drift(ctx, revision.Number)
	if err != nil || len(drift) == 0 {
		return passed // it is compared again at the end
	}
	r.result.Cause = r.changed(revision.Number, drift)
	return failed
}

// examine makes a revision the one that is watched and smoked.
func (r *run) examine(ctx context.Context, revision record.Revision) event {
	r.Log.Info("judging a revision", "revision", revision.Number, "status", revision.Status, "verdict", revisions.Verdict(revision))
	applied, err := r.cluster.History.Describe(ctx, revision.Number)
	if err != nil {
		return r.abort(err)
	}
	r.applied = applied
	return passed
}

// undoPart deals with a revision that was applied in part: the last verified-good
// one replaces it; where there is none it is completed and judged.
func (r *run) undoPart(ctx context.Context, part record.Revision) event {
	r.Log.Warn("a revision was applied in part", "revision", part.Number, "status", part.Status)
	if len(revisions.Proven(r.history)) > 0 {
		r.result.Cause = &record.Cause{Code: "deploy/interrupted", Object: "Release/" + r.Release,
			Message: fmt.Sprintf("revision %d was applied in part: its status is %s", part.Number, part.Status)}
		return undo
	}
	applied, err := r.cluster.Changer.Rollback(ctx, part.Number, nil)
	r.repaired(applied)
	switch {
	case isAbandoned(err):
		return r.abandon()
	case record.KindOf(err) == record.KindRefused:
		return r.abort(err)
	case err != nil:
		r.result.Advice = fmt.Sprintf("completing revision %d: %v", part.Number, err)
		return failed
	}
	r.applied, r.result.Release.Revision, r.result.Release.Live = applied, applied.Revision.Number, applied.Revision.Number
	return passed
}
