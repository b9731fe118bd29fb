package release

import (
	"context"
	"fmt"
	"slices"
	"time"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/bounded"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
)

// History gives all revisions, newest first; none for a release that is not there.
func (r *Release) History(ctx context.Context) ([]record.Revision, error) {
	records, err := bounded.Read(ctx, func() ([]*helmrelease.Release, error) { return r.helm.config.Releases.History(r.Name) })
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, classify(fmt.Sprintf("reading the history of release %q in namespace %q", r.Name, r.Namespace), err)
	}
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return b.Version - a.Version })
	said := r.notary().Statements(verdictRecords(records))
	history := make([]record.Revision, len(records))
	for i, stored := range records {
		r.secrets.Publish(r.repositoryOf(stored))
		history[i] = r.described(stored, said[stored.Version])
	}
	return history, nil
}

func (r *Release) revision(stored *helmrelease.Release) record.Revision {
	return r.described(stored, r.notary().Read(verdictRecord(stored)))
}

func (r *Release) described(stored *helmrelease.Release, said verdict.Statement) record.Revision {
	return record.Revision{
		Number:   stored.Version,
		Origin:   said.Origin,
		Status:   record.RevisionStatus(stored.Info.Status),
		Image:    manifest.ImageOf(stored.Config, r.ImageValuesPath, stored.Manifest, hooksOf(stored)),
		Verdict:  said.Mark,
		MarkedAt: said.At,
		Deployed: stored.Info.LastDeployed.Time,
		Chart:    chartName(stored),
		Changed:  said.Changed,
		Foreign:  isForeign(stored, said),
	}
}

// Mark writes the verdict of a revision on Helm's record: when, about which
// number and which content, with a MAC when there is a key; other labels stay. A good one makes older records superfluous, see [Release.Prune].
func (r *Release) Mark(ctx context.Context, revision int, mark record.Mark) error {
	stored, err := r.helm.config.Releases.Get(r.Name, revision)
	if err == nil && mark == record.MarkGood {
		err = r.mayProve(stored)
	}
	var signer verdict.Notary
	if err == nil {
		signer, err = r.signer(stored, mark)
	}
	if err == nil {
		said := verdict.Statement{Mark: mark, At: time.Now(), Origin: r.notary().Read(verdictRecord(stored)).Origin}
		stored.Labels = signer.State(verdictRecord(stored), said)
		err = r.helm.config.Releases.Update(stored)
	}
	if err != nil {
		return classify(fmt.Sprintf("marking revision %d", revision), err)
	}
	if mark != record.MarkGood {
		return nil
	}
	if err := r.Prune(ctx); err != nil {
		r.Log.Warn("deleting the records of old revisions", "error", err)
	}
	return nil
}

// mayProve refuses to prove a record that was edited while this run judged
// it, or, with a key, since stagecrew wrote on it. Without a key an edited one is
// judged like one that others made.
func (r *Release) mayProve(stored *helmrelease.Release) error {
	made := r.helm.records.current()
	isOther := made != nil && made.Version == stored.Version && digestOf(made) != digestOf(stored)
	if isOther || len(r.VerdictKey) > 0 {
		return r.notary().Intact(verdictRecord(stored))
	}
	return nil
}

// signer is who writes a verdict. With a key one about a record that others wrote is
// refused or, when it is bad, carries no MAC, which would make the record ours.
func (r *Release) signer(stored *helmrelease.Release, mark record.Mark) (verdict.Notary, error) {
	switch {
	case len(r.VerdictKey) == 0 || r.notary().Made(verdictRecord(stored)):
		return r.notary(), nil
	case mark == record.MarkBad:
		return verdict.Notary{}, nil
	}
	return r.notary(), r.known(stored)
}

// known refuses a record that another client wrote, unless what it applies is what a
// revision with a valid verdict applies: that its pods serve says nothing about its
// hooks, or about Jobs that are gone, which a rollback would run.
func (r *Release) known(stored *helmrelease.Release) error {
	records, err := r.helm.config.Releases.History(r.Name)
	if err != nil {
		return err
	}
	for _, other := range records {
		isGood := r.notary().Made(verdictRecord(other)) && r.notary().Read(verdictRecord(other)).Mark == record.MarkGood
		if isGood && digestOf(other) == digestOf(stored) {
			return nil
		}
	}
	return record.Refused(record.CodeNotMadeHere,
		"revision %d was not made by this pipeline with this STAGECREW_VERDICT_KEY, and no revision with a valid verdict has its manifest and hooks: it gets no verdict and is no rollback target; a deploy makes a revision that is one", stored.Version)
}

func (r *Release) notary() verdict.Notary { return verdict.Notary{Key: r.VerdictKey} }

// goodKept is how many verified-good revisions are always kept: targets of a
// rollback that further bad revisions must not push out.
const goodKept = 3

// Prune deletes the oldest of Helm's records beyond HistoryMax; 0 keeps all, as it does
// for Helm. The newest three that are verified good, the deployed one and those of changes that are not
// complete stay. [Release.Mark] calls it when a revision is marked good.
func (r *Release) Prune(ctx context.Context) error {
	if r.HistoryMax == 0 {
		return nil
	}
	records, err := r.helm.config.Releases.History(r.Name)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return classify("reading the history", err)
	}
	for _, stored := range superfluous(records, r.notary().Statements(verdictRecords(records)), r.HistoryMax) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.helm.config.Releases.Delete(r.Name, stored.Version); err != nil && !isMissing(err) {
			return classify(fmt.Sprintf("deleting the record of revision %d", stored.Version), err)
		}
		r.Log.Debug("deleted the record of an old revision", "revision", stored.Version)
	}
	return nil
}

// superfluous are the records to delete, oldest first.
func superfluous(records []*helmrelease.Release, said map[int]verdict.Statement, most int) []*helmrelease.Release {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return b.Version - a.Version })
	good := 0
	var old []*helmrelease.Release
	for i, stored := range records {
		isGood := said[stored.Version].Mark == record.MarkGood
		if isGood {
			good++
		}
		switch {
		case i < most, isGood && good <= goodKept:
		case stored.Info.Status == helmrelease.StatusDeployed, stored.Info.Status.IsPending():
		default:
			old = append(old, stored)
		}
	}
	slices.Reverse(old)
	return old
}
