package deploy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestRecoverFinishesWhatADeadRunLeft(t *testing.T) {
	half := errors.New("killed")
	for name, c := range map[string]struct {
		image   string
		applied error // the apply did not come to its end
		status  record.RevisionStatus
		mark    record.Mark
		verdict record.Verdict
		live    int
		rolled  bool
	}{
		"nothing":                               {verdict: record.VerdictOK, live: 1},
		"killed while watching a healthy one":   {image: "fine2", mark: record.MarkPending, verdict: record.VerdictGood, live: 2},
		"killed while watching a broken one":    {image: "crash", mark: record.MarkPending, verdict: record.VerdictRolledBack, live: 3, rolled: true},
		"killed while applying":                 {image: "fine2", applied: half, status: "pending-upgrade", mark: record.MarkPending, verdict: record.VerdictRolledBack, live: 3, rolled: true},
		"killed before the rollback began":      {image: "crash", mark: record.MarkBad, verdict: record.VerdictRolledBack, live: 3, rolled: true},
		"a failed apply that nobody undid":      {image: "crash", applied: half, status: "failed", mark: record.MarkBad, verdict: record.VerdictRolledBack, live: 3, rolled: true},
		"a revision that somebody else applied": {image: "crash", mark: record.MarkNone, verdict: record.VerdictOK, live: 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := installed(t, "fine")
			if c.image != "" {
				f.push(record.Revision{Image: c.image}, c.applied)
				f.history[0].Verdict = c.mark
				if c.status != "" {
					f.history[0].Status = c.status
				}
			}
			result, err := Recover(t.Context(), f.options())
			require.NoError(t, err)
			require.Equal(t, c.verdict, result.Verdict, result.Advice)
			require.Equal(t, c.live, result.Release.Live)
			require.Equal(t, c.verdict == record.VerdictOK, result.Release.Revision == 0, "it tells what this run judged or made")
			require.Equal(t, c.rolled, f.history[0].Origin == 1)
			if c.verdict != record.VerdictOK {
				require.Equal(t, record.MarkGood, f.history[0].Verdict)
			}
			require.Empty(t, f.holder)
		})
	}
}

func TestRecoverCompletesAFirstInstallThatWasInterrupted(t *testing.T) {
	f := installed(t)
	f.push(record.Revision{Image: "fine"}, errors.New("killed"))
	f.history[0].Status = "pending-install"
	result, err := Recover(t.Context(), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, 2, result.Release.Live)
}

func TestRecoverWithoutAnythingProvenSaysSo(t *testing.T) {
	f := installed(t)
	f.push(record.Revision{Image: "crash"}, nil)
	result, err := Recover(t.Context(), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Contains(t, result.Advice, "no verified-good revision to go back to")
	_, err = Recover(t.Context(), installed(t).options())
	require.ErrorContains(t, err, `there is no release "backstage"`)
}

func TestRecoverWarnsOfTheDeadRunAndNotOfItself(t *testing.T) {
	const warning = "an earlier run did not come to its end"
	recovered := func(t *testing.T, f *fakeCluster) string {
		var said strings.Builder
		o := f.options()
		o.Log = slog.New(slog.NewTextHandler(&said, nil))
		_, err := Recover(t.Context(), o)
		require.NoError(t, err)
		return said.String()
	}
	unproven := func(t *testing.T) *fakeCluster {
		f := installed(t, "fine")
		f.push(record.Revision{Image: "unheard"}, nil)
		f.history[0].Verdict = record.MarkNone
		return f
	}
	t.Run("a run died", func(t *testing.T) {
		f := unproven(t)
		f.journals = []record.Journal{{Holder: "github 17/1", Phase: "smoke", Since: time.Date(2026, 11, 26, 7, 50, 25, 123456789, time.FixedZone("", 3600))}}
		said := recovered(t, f)
		require.Contains(t, said, warning)
		require.Contains(t, said, `holder="github 17/1" phase=smoke since=2026-11-26T06:50:25Z`)
		require.NotContains(t, recovered(t, f), warning, "this one has ended")
	})
	t.Run("nobody was here", func(t *testing.T) {
		require.NotContains(t, recovered(t, unproven(t)), warning)
	})
	t.Run("a gate that could not tell", func(t *testing.T) {
		f := unproven(t)
		_, err := Gate(t.Context(), f.options())
		require.NoError(t, err)
		require.NotContains(t, recovered(t, f), warning)
	})
	t.Run("a gate that a signal stopped", func(t *testing.T) {
		f := unproven(t)
		ctx, cancel := context.WithCancel(t.Context())
		f.on = func(what string) {
			if what == "watch" {
				cancel()
			}
		}
		result, err := Gate(ctx, f.options())
		require.NoError(t, err)
		require.Equal(t, record.VerdictCancelled, result.Verdict)
		f.on = nil
		require.NotContains(t, recovered(t, f), warning, "it has changed nothing")
	})
}

func TestGateJudgesWhatSomebodyElseApplied(t *testing.T) {
	for image, want := range map[string]struct {
		verdict record.Verdict
		mark    record.Mark
	}{
		"fine2":   {record.VerdictGood, record.MarkGood},
		"crash":   {record.VerdictRefused, record.MarkBad},
		"mute":    {record.VerdictRefused, record.MarkBad},
		"unheard": {record.VerdictRefused, record.MarkNone},
	} {
		t.Run(image, func(t *testing.T) {
			f := installed(t, "fine")
			f.push(record.Revision{Image: image}, nil)
			f.history[0].Verdict = record.MarkNone
			result, err := Gate(t.Context(), f.options())
			require.NoError(t, err)
			require.Equal(t, want.verdict, result.Verdict)
			require.Equal(t, want.mark, f.history[0].Verdict)
			require.NotContains(t, f.calls, "rollback")
			require.Len(t, f.history, 2)
		})
	}
}
