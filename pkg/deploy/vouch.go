package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// verifyTime bounds the verification of one target's image in an automatic rollback:
// production waits for it.
const verifyTime = 15 * time.Second

// vouch verifies the image of a revision that is to be gone back to. What was found
// out is remembered; that a registry did not answer is not.
func (r *run) vouch(ctx context.Context, revision record.Revision) error {
	if r.Verify == nil {
		return nil
	}
	if err, known := r.vouched[revision.Image]; known {
		return err
	}
	image, err := record.ParseImage(revision.Image)
	if err != nil {
		err = record.Refused("rollback/not-verified", "revision %d names no image by digest, so that its signature cannot be checked: %w", revision.Number, err)
	} else if err = r.Verify(ctx, image); err != nil {
		err = fmt.Errorf("verifying the image of revision %d: %w", revision.Number, err)
	}
	if err == nil || record.KindOf(err) == record.KindRefused {
		r.vouched[revision.Image] = err
	}
	return err
}

// trusted gives the revision that an automatic rollback goes to: the newest
// verified-good one whose image is not refused. That it cannot be verified now is no
// reason to leave production broken: its image was verified when it was deployed.
func (r *run) trusted(ctx context.Context) (record.Revision, bool) {
	for _, revision := range revisions.Proven(r.history) {
		brief, cancel := context.WithTimeout(ctx, verifyTime)
		err := r.vouch(brief, revision)
		cancel()
		switch {
		case err == nil:
			return revision, true
		case record.KindOf(err) == record.KindRefused:
			r.Log.Warn("a verified-good revision is no rollback target", "revision", revision.Number, "error", err)
			r.concern(revision, err)
		default:
			r.Log.Warn("the image of the rollback target could not be verified; an automatic rollback goes there all the same", "revision", revision.Number, "error", err)
			return revision, true
		}
	}
	return record.Revision{}, false
}

// unrefused is the newest verified-good revision whose image was not refused so far;
// the zero value for none.
func (r *run) unrefused() record.Revision {
	for _, revision := range revisions.Proven(r.history) {
		if r.vouched[revision.Image] == nil {
			return revision
		}
	}
	return record.Revision{}
}

// concern puts a target that is none into the record, once.
func (r *run) concern(revision record.Revision, err error) {
	c := record.Concern{Code: "rollback/not-verified", Object: "Release/" + r.Release, Message: fmt.Sprintf("revision %d is no rollback target: %v", revision.Number, err)}
	for _, other := range r.result.Concerns {
		if other.Message == c.Message {
			return
		}
	}
	r.result.Concerns = append(r.result.Concerns, c)
}

// choose picks the target of a rollback by hand and notes it: the first whose image
// is verified. Only a person can waive that.
func (r *run) choose(ctx context.Context) (record.Revision, error) {
	all, err := revisions.Candidates(r.history, r.wanted)
	if err != nil {
		return record.Revision{}, err
	}
	var refusals []error
	for _, target := range all {
		err := r.vouch(ctx, target)
		switch {
		case err == nil:
			return r.chosen(target), nil
		case record.KindOf(err) != record.KindRefused:
			return record.Revision{}, fmt.Errorf("%w; --allow-unsigned-unsafe goes back without a look at the signature", err)
		}
		r.Log.Warn("no target", "revision", target.Number, "error", err)
		refusals = append(refusals, err)
	}
	return record.Revision{}, errors.Join(refusals...)
}

// chosen notes the target of a rollback by hand.
func (r *run) chosen(target record.Revision) record.Revision {
	if target.Verdict == record.MarkBad {
		r.Log.Warn("the target failed its checks; it is put back because --force-bad-unsafe was given", "revision", target.Number, "when", target.MarkedAt)
	}
	r.result.Release.RollbackTarget = target.Number
	// An older record may lack a digest; the field then stays empty.
	r.result.Image, _ = record.ParseImage(target.Image)
	return target
}
