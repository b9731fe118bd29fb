package release

import (
	"context"
	"fmt"
	"slices"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
)

const (
	defaultHistory = 20
	// goodKept is how many verified-good revisions are always kept: targets of a
	// rollback that further bad revisions must not push out.
	goodKept = 3
)

// Prune deletes the oldest of Helm's records beyond HistoryMax. The newest three
// that are verified good, the deployed one and those of changes that are not
// complete stay. [Release.Mark] calls it when a revision is marked good.
func (r *Release) Prune(ctx context.Context) error {
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
