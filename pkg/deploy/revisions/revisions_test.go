package revisions

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// history is newest first: 5 is live and unproven, 4 was good, 3 bad, 2 good, 1 without a verdict.
func history() []record.Revision {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []record.Revision{
		{Number: 5, Status: record.StatusDeployed, Image: "registry.test/a@sha256:five"},
		{Number: 4, Status: record.StatusSuperseded, Verdict: record.MarkGood, Image: "registry.test/a@sha256:four", MarkedAt: at},
		{Number: 3, Status: record.StatusSuperseded, Verdict: record.MarkBad, Image: "registry.test/a@sha256:three", MarkedAt: at},
		{Number: 2, Status: record.StatusSuperseded, Verdict: record.MarkGood, Image: "registry.test/a@sha256:two", MarkedAt: at},
		{Number: 1, Status: record.StatusSuperseded, Image: "registry.test/a@sha256:one"},
	}
}

func TestWhereARollbackGoes(t *testing.T) {
	same := func(h []record.Revision) []record.Revision { return h }
	for name, c := range map[string]struct {
		change func([]record.Revision) []record.Revision
		to     RollbackTo
		want   []int
		code   string
	}{
		"by itself":                    {same, RollbackTo{}, []int{4, 2}, ""},
		"back again goes further back": {func(h []record.Revision) []record.Revision { h[0].Origin = 4; return h }, RollbackTo{}, []int{2}, ""},
		"a newest one that Helm did not finish": {func(h []record.Revision) []record.Revision {
			h[0].Status, h[1].Status = "failed", record.StatusDeployed
			return h
		}, RollbackTo{}, []int{4, 2}, ""},
		"never beyond an uninstall":                {func(h []record.Revision) []record.Revision { h[2].Status = record.StatusUninstalled; return h }, RollbackTo{}, []int{4}, ""},
		"nothing good":                             {func(h []record.Revision) []record.Revision { return h[4:] }, RollbackTo{}, nil, "rollback/no-target"},
		"no history":                               {func([]record.Revision) []record.Revision { return nil }, RollbackTo{}, nil, "rollback/no-release"},
		"a number, without a verdict, too":         {same, RollbackTo{Revision: 1}, []int{1}, ""},
		"a number that there is not":               {same, RollbackTo{Revision: 9}, nil, "rollback/no-such-revision"},
		"a number that is known bad":               {same, RollbackTo{Revision: 3}, nil, "rollback/known-bad"},
		"a number that is known bad, as wanted":    {same, RollbackTo{Revision: 3, ForceBadUnsafe: true}, []int{3}, ""},
		"a digest":                                 {same, RollbackTo{Digest: "sha256:two"}, []int{2}, ""},
		"a digest that there is not":               {same, RollbackTo{Digest: "sha256:none"}, nil, "rollback/no-such-revision"},
		"a digest that is known bad":               {same, RollbackTo{Digest: "sha256:three"}, nil, "rollback/known-bad"},
		"a digest, good once and bad another time": {func(h []record.Revision) []record.Revision { h[2].Image = h[3].Image; return h }, RollbackTo{Digest: "sha256:two"}, []int{2}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Candidates(c.change(history()), c.to)
			if c.code != "" {
				require.ErrorContains(t, err, "["+c.code+"]")
				require.Equal(t, record.KindRefused, record.KindOf(err))
				return
			}
			require.NoError(t, err)
			var numbers []int
			for _, r := range found {
				numbers = append(numbers, r.Number)
			}
			require.Equal(t, c.want, numbers)
		})
	}
	_, err := Candidates(history(), RollbackTo{Revision: 9})
	require.ErrorContains(t, err, "there are 5 (no verdict), 4 (good), 3 (bad), 2 (good), 1 (no verdict)")
	_, err = Candidates(history(), RollbackTo{Revision: 3})
	require.ErrorContains(t, err, "failed its checks at 2026-01-02T03:04:05Z; choose a good one, or give --force-bad-unsafe")
}

func TestWhatIsLive(t *testing.T) {
	live, found := Live(history())
	require.True(t, found)
	require.Equal(t, 5, live.Number)
	_, found = Live(history()[1:])
	require.False(t, found, "nothing is deployed")
	newest, found := Newest(history()[1:])
	require.True(t, found)
	require.Equal(t, 4, newest.Number)
	_, found = Newest(nil)
	require.False(t, found)
	require.Equal(t, []int{3, 2}, []int{OriginOf(record.Revision{Number: 7, Origin: 3}), OriginOf(record.Revision{Number: 2})})
}
