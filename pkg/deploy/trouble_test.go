package deploy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

var apiAway = record.Unavailable("kube/unreachable", "no route")

// The moment after a dead run: what it applied in part cannot be undone.
func TestSettle(t *testing.T) {
	half := func(t *testing.T) *fakeCluster {
		f := installed(t, "fine")
		f.push(record.Revision{Image: "half"}, errors.New("killed"))
		f.history[0].Status = "pending-upgrade"
		return f
	}
	t.Run("a rollback that fails leaves it to the new revision, which may be the repair", func(t *testing.T) {
		f := half(t)
		f.errs["rollback"] = apiAway
		result := f.deploy(t, "fine2")
		require.Equal(t, record.VerdictGood, result.Verdict)
		require.Less(t, index(f.calls, "rollback"), index(f.calls, "apply"))
		require.Equal(t, 3, result.Release.Live)
	})
	t.Run("a rollback that is refused ends the run before anything changed", func(t *testing.T) {
		f := half(t)
		f.errs["rollback"] = record.Refused("release/locked", "somebody's helm is at work")
		result, err := Deploy(t.Context(), image("fine2"), f.options())
		require.ErrorContains(t, err, "somebody's helm is at work")
		require.Equal(t, record.VerdictUnknown, result.Verdict)
		require.NotContains(t, f.calls, "apply")
		require.Empty(t, f.holder)
	})
	t.Run("a run that goes no further says what it has put back", func(t *testing.T) {
		f := half(t)
		f.errs["describe"] = apiAway
		result, err := Deploy(t.Context(), image("fine2"), f.options())
		require.ErrorContains(t, err, "no route")
		require.Equal(t, "all that was done: revision 2, which an earlier run had applied in part, was replaced by a copy of 1", result.Changed())
	})
	t.Run("a rollback that is abandoned ends the run, and the next one goes on", func(t *testing.T) {
		f := half(t)
		ctx, cancel := context.WithCancel(t.Context())
		f.on = func(what string) {
			if what == "rollback" && ctx.Err() == nil {
				cancel()
				f.fails(what, context.Canceled)
			}
		}
		result, err := Deploy(ctx, image("fine2"), f.options())
		require.NoError(t, err)
		require.Equal(t, record.VerdictCancelled, result.Verdict)
		require.Contains(t, result.Advice, "while the release was being changed")
		require.NotContains(t, f.calls, "apply")
		require.Empty(t, f.holder)
		f.on = nil
		f.fails("rollback", nil)
		require.Equal(t, record.VerdictGood, f.deploy(t, "fine2").Verdict)
	})
	t.Run("without a revision to go back to nothing is undone", func(t *testing.T) {
		f := installed(t)
		f.push(record.Revision{Image: "half"}, errors.New("killed"))
		require.Equal(t, record.VerdictGood, f.deploy(t, "fine").Verdict)
		require.NotContains(t, f.calls, "rollback")
	})
}

func TestBaselineThatCannotBeLookedAtChangesNothing(t *testing.T) {
	for _, what := range []string{"describe", "watch", "probe"} {
		for state, prepare := range map[string]func(*fakeCluster){"proven": func(*fakeCluster) {}, "unjudged": func(f *fakeCluster) { f.unjudged("hotfix") }} {
			t.Run(what+" "+state, func(t *testing.T) {
				f := installed(t, "fine")
				prepare(f)
				before := len(f.history)
				f.errs[what] = apiAway
				result, err := Deploy(t.Context(), image("fine2"), f.options())
				require.ErrorContains(t, err, "no route")
				require.Equal(t, record.KindUnavailable, record.KindOf(err))
				require.Equal(t, record.VerdictUnknown, result.Verdict)
				require.NotContains(t, f.calls, "apply")
				require.Len(t, f.history, before)
				require.Empty(t, f.holder)
			})
		}
	}
}

func TestSoakEndsWhenACheckBeginsToFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := installed(t, "fine")
		o := f.options()
		o.Soak = time.Minute
		began := time.Now()
		result, err := Deploy(t.Context(), image("fading"), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictRolledBack, result.Verdict)
		require.Equal(t, "smoke/check-failed", result.Cause.Code)
		require.Equal(t, "Service/a", result.Cause.Object)
		require.Equal(t, record.MarkBad, f.history[1].Verdict)
		last := result.Checks[len(result.Checks)-2]
		require.Equal(t, []any{"Service/a", record.CheckFailed}, []any{last.Target, last.Result}, "what failed is on the record, before the checks of the rollback")
		require.Less(t, time.Since(began), 2*time.Minute, "the soak ends at once; that of the rollback is whole")
	})
}

// The API server that goes away at one moment and is back at the next.
func TestTheAPIServerIsAwayForAMoment(t *testing.T) {
	t.Run("for the notes in the Lease, which are for information only", func(t *testing.T) {
		f := installed(t, "fine")
		f.errs["note"], f.errs["journal"] = apiAway, apiAway
		var said strings.Builder
		o := f.options()
		o.Log = slog.New(slog.NewTextHandler(&said, nil))
		result, err := Deploy(t.Context(), image("fine2"), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictGood, result.Verdict)
		require.Contains(t, said.String(), "noting the phase in the cluster")
		f.unjudged("fine3")
		f.history[0].Verdict = record.MarkPending
		result, err = Recover(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictGood, result.Verdict)
		require.Contains(t, said.String(), "reading what the last run noted")
	})
	t.Run("for the lock", func(t *testing.T) {
		for name, do := range map[string]func(context.Context, Options) (record.Record, error){"recover": Recover, "gate": Gate,
			"rollback": func(ctx context.Context, o Options) (record.Record, error) {
				return Rollback(ctx, revisions.RollbackTo{Revision: 1}, o)
			}} {
			f := installed(t, "fine", "fine2")
			f.errs["lock"] = apiAway
			_, err := do(t.Context(), f.options())
			require.ErrorContains(t, err, "no route", name)
			require.Len(t, f.history, 2, name)
			require.NotContains(t, f.calls, "rollback", name)
		}
	})
	t.Run("for the verdict of the bad revision: production is not kept waiting", func(t *testing.T) {
		f := installed(t, "fine")
		f.errs["mark bad"] = apiAway
		result := f.deploy(t, "crash")
		require.Equal(t, record.VerdictRolledBack, result.Verdict)
		require.Equal(t, record.MarkPending, f.history[1].Verdict)
	})
	t.Run("for the verdict of the rollback: it serves, and a human is told", func(t *testing.T) {
		f := installed(t, "fine")
		f.errs["mark good"] = apiAway
		result := f.deploy(t, "crash")
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Contains(t, result.Advice, "it serves, but its verdict could not be written: no route")
		require.Equal(t, 3, result.Release.Live)
	})
}

func TestFreshClientsThatCannotBeMadeAreReplacedByTheOldOnes(t *testing.T) {
	f := installed(t, "fine")
	o := f.options()
	var said strings.Builder
	o.Log = slog.New(slog.NewTextHandler(&said, nil))
	o.Connect = func() (Cluster, error) {
		if f.connects > 0 {
			return Cluster{}, apiAway
		}
		return f.connect()
	}
	result, err := Deploy(t.Context(), image("crash"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
	require.Contains(t, said.String(), "the old connection is used")
	require.Equal(t, record.MarkGood, f.history[0].Verdict)
	require.Empty(t, f.holder)
}

// What is still at work when the time is over says nothing of whoever it waited for: an
// API server that had answered was called unreachable, a chart wrong.
func TestATimeThatIsOverBeforeAnythingChangedIsNamed(t *testing.T) {
	for what, step := range map[string]string{"check": "preflight", "apply": "apply"} {
		for late, coded := range map[error]string{
			context.DeadlineExceeded: "deploy/timeout",
			record.Unavailable("release/unreachable", "asking: %w", context.DeadlineExceeded): "deploy/timeout",
			record.BadInput("release/chart", "loading: context deadline exceeded"):            "deploy/timeout",
			record.Unavailable("release/unreachable", "asking: connection refused"):           "release/unreachable",
		} {
			synctest.Test(t, func(t *testing.T) {
				f := installed(t, "fine")
				o := f.options()
				o.Timeout = 3 * time.Second
				f.on = func(happens string) {
					if happens == what {
						time.Sleep(time.Minute)
					}
				}
				f.errs[what] = late
				result, err := Deploy(t.Context(), image("fine2"), o)
				require.Equal(t, coded, record.CodeOf(err), what)
				require.Equal(t, record.KindUnavailable, record.KindOf(err))
				require.Equal(t, record.VerdictUnknown, result.Verdict)
				if coded == "deploy/timeout" {
					require.ErrorContains(t, err, `the time of the deploy, 3s, was over before it had changed anything, in the step "`+step+`": `)
				}
				require.Len(t, f.history, 1)
				require.Empty(t, f.holder)
			})
		}
	}
}
