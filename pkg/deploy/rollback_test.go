package deploy

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func (f *fakeCluster) rollback(t *testing.T, to revisions.RollbackTo) record.Record {
	t.Helper()
	result, err := Rollback(t.Context(), to, f.options())
	require.NoError(t, err)
	return result
}

func TestRollbackGoesToTheLastGoodRevisionBeforeTheLiveOne(t *testing.T) {
	f := installed(t)
	f.deploy(t, "one")
	f.deploy(t, "crash") // 2 is bad, 3 a copy of 1
	f.deploy(t, "four")
	result := f.rollback(t, revisions.RollbackTo{})
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, record.Release{Name: "backstage", Namespace: "prod", Revision: 5, RollbackTarget: 3, Live: 5, LiveImage: f.history[0].Image}, *result.Release)
	require.Contains(t, f.history[0].Image, "/one@")
	require.Equal(t, 1, f.history[0].Origin)

	_, err := Rollback(t.Context(), revisions.RollbackTo{}, f.options())
	require.ErrorContains(t, err, "no verified-good revision before revision 1; there are 5 (good), 4 (good), 3 (good), 2 (bad), 1 (good)")
	require.Equal(t, record.KindRefused, record.KindOf(err))
}

func TestChoosingARollbackTarget(t *testing.T) {
	bad := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	history := []record.Revision{
		{Number: 4, Status: "deployed", Verdict: record.MarkGood, Image: "r.test/a@sha256:dd"},
		{Number: 3, Verdict: record.MarkBad, MarkedAt: bad, Image: "r.test/a@sha256:cc"},
		{Number: 2, Verdict: record.MarkNone, Image: "r.test/a@sha256:bb"},
		{Number: 1, Status: "superseded", Verdict: record.MarkGood, Image: "r.test/a@sha256:aa"},
	}
	cases := map[string]struct {
		to      revisions.RollbackTo
		want    int
		refusal string
	}{
		"default skips the bad and the unjudged": {to: revisions.RollbackTo{}, want: 1},
		"a revision that nobody judged":          {to: revisions.RollbackTo{Revision: 2}, want: 2},
		"a revision known bad":                   {to: revisions.RollbackTo{Revision: 3}, refusal: "revision 3 failed its checks at 2026-11-01T08:00:00Z"},
		"a revision known bad, by force":         {to: revisions.RollbackTo{Revision: 3, ForceBadUnsafe: true}, want: 3},
		"a digest known bad, by force":           {to: revisions.RollbackTo{Digest: "sha256:cc", ForceBadUnsafe: true}, want: 3},
		"a revision that is not there":           {to: revisions.RollbackTo{Revision: 9}, refusal: "revision 9 is not in the history; there are 4 (good), 3 (bad), 2 (no verdict), 1 (good)"},
		"a digest":                               {to: revisions.RollbackTo{Digest: "sha256:aa"}, want: 1},
		"a digest known bad":                     {to: revisions.RollbackTo{Digest: "sha256:cc"}, refusal: "revision 3 failed its checks"},
		"a digest that is not there":             {to: revisions.RollbackTo{Digest: "sha256:ee"}, refusal: "no revision has the image digest sha256:ee"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := revisions.Candidates(history, c.to)
			if c.refusal != "" {
				require.ErrorContains(t, err, c.refusal)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got[0].Number)
		})
	}
}

func TestARollbackTargetThatDoesNotPassNeedsAHuman(t *testing.T) {
	f := installed(t)
	f.push(record.Revision{Image: "crash"}, nil)
	f.history[0].Verdict = record.MarkNone
	f.push(record.Revision{Image: "fine"}, nil)
	result := f.rollback(t, revisions.RollbackTo{Revision: 1})
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Equal(t, "rollout/crash-loop", result.Cause.Code)
}

// A plain `helm upgrade` that failed after a good revision (helm/helm#32404).
func TestRollbackLeavesWhatWasAppliedInPart(t *testing.T) {
	f := installed(t, "fine")
	f.push(record.Revision{Image: "crash"}, errors.New("context deadline exceeded"))
	f.history[0].Verdict = record.MarkNone
	result := f.rollback(t, revisions.RollbackTo{})
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, 1, result.Release.RollbackTarget)
}
