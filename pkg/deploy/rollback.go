package deploy

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Target says where a manual rollback goes. The zero value means the newest
// verified-good revision before the live one.
type Target struct {
	Revision int    // Helm revision, 0 for any
	Digest   string // image digest "sha256:…", "" for any
	// ForceBadUnsafe allows a revision that is known bad.
	ForceBadUnsafe bool
}

// Rollback puts an earlier revision back by hand and proves it. The verdict is
// good when it serves and passed; an error means that nothing was changed.
func Rollback(ctx context.Context, to Target, o Options) (Result, error) {
	return start(ctx, o, rollbackTable, preflight, func(r *run) { r.target = to })
}

// choose picks the target of a rollback by hand and notes it.
func (r *run) choose() (pipeline.Revision, error) {
	target, err := choose(r.history, r.target)
	if err != nil {
		return target, err
	}
	if target.Verdict == pipeline.MarkBad {
		r.Log.Warn("the target failed its checks; it is put back because --force-bad-unsafe was given", "revision", target.Number, "when", target.MarkedAt)
	}
	r.result.Release.PreviousGood = target.Number
	// An older record may lack a digest; the field then stays empty.
	r.result.Image, _ = pipeline.ParseImage(target.Image)
	return target, nil
}
