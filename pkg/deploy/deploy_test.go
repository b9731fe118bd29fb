package deploy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestAGoodReleaseIsMarkedGood(t *testing.T) {
	f := installed(t)
	result := f.deploy(t, "fine")
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, record.MarkGood, f.history[0].Verdict)
	require.Equal(t, record.Release{Name: "backstage", Namespace: "prod", Revision: 1, Live: 1, LiveImage: f.history[0].Image}, *result.Release)
	require.Nil(t, result.Cause)
	require.Empty(t, result.Advice)
	require.Equal(t, []string{"preflight", "lock", "baseline", "apply", "watch", "smoke", "soak", "compare"}, phases(result))
}

func phases(r record.Record) []string {
	var names []string
	for _, p := range r.Phases {
		names = append(names, p.Name)
	}
	return names
}

func TestABadReleaseGoesBackToTheLastGoodOne(t *testing.T) {
	for name, code := range map[string]string{"crash": "rollout/crash-loop", "mute": "smoke/check-failed", "shaky": "rollout/not-stable"} {
		t.Run(name, func(t *testing.T) {
			f := installed(t, "fine")
			o := f.options()
			var kept record.Evidence
			o.Keep = func(e record.Evidence) ([]string, error) {
				require.NotContains(t, f.calls, "rollback", "evidence comes before the rollback")
				kept = e
				return []string{"evidence/cause.txt"}, nil
			}
			result, err := Deploy(t.Context(), image(name), o)
			require.NoError(t, err)
			require.Equal(t, record.VerdictRolledBack, result.Verdict)
			require.Equal(t, code, result.Cause.Code)
			require.Equal(t, record.Release{Name: "backstage", Namespace: "prod", Revision: 2, RollbackTarget: 1, Live: 3, LiveImage: f.history[0].Image}, *result.Release)
			require.Equal(t, record.MarkBad, f.history[1].Verdict)
			require.Equal(t, record.MarkGood, f.history[0].Verdict, "the copy was gated, too")
			require.GreaterOrEqual(t, f.connects, 2, "the rollback has clients of its own")
			require.Equal(t, []string{"evidence/cause.txt"}, result.Evidence)
			require.Equal(t, kept, *result.Diagnosis)
			require.Contains(t, kept.Diff, "+image: new")
			require.Empty(t, result.Advice)
		})
	}
}

func TestSecretsAreInNoEvidence(t *testing.T) {
	f := installed(t, "fine")
	result := f.deploy(t, "crash")
	require.Equal(t, "backstage: exit code 1: ***", result.Cause.Message, "the name of the release is no secret")
	require.Equal(t, "connecting with ***", result.Diagnosis.Logs[0].Text)
	require.NotContains(t, result.Diagnosis.Diff, "open-sesame")

	f = installed(t, "fine")
	f.errs["secrets"] = errors.New("forbidden")
	result = f.deploy(t, "crash")
	require.Empty(t, result.Diagnosis.Logs, "nobody knows what is secret in them")
}

func TestAFailedFirstInstallIsKeptForInspection(t *testing.T) {
	f := installed(t)
	result := f.deploy(t, "crash")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Contains(t, result.Advice, "helm uninstall backstage --namespace prod")
	require.NotContains(t, f.calls, "rollback")
	require.Equal(t, record.MarkBad, f.history[0].Verdict)
	require.NotNil(t, result.Diagnosis)
}

func TestALiveRevisionOfSomebodyElseBecomesTheBaseline(t *testing.T) {
	f := installed(t)
	f.push(record.Revision{Image: "fine"}, nil)
	f.history[0].Verdict = record.MarkNone
	result := f.deploy(t, "crash")
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
	require.Equal(t, 1, result.Release.RollbackTarget)
}

func TestWithoutAProvenRevisionNothingFurtherIsTouched(t *testing.T) {
	f := installed(t)
	f.push(record.Revision{Image: "crash"}, nil)
	f.history[0].Verdict = record.MarkNone
	result := f.deploy(t, "crash")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.NotContains(t, f.calls, "rollback")
	require.Equal(t, record.MarkNone, f.history[1].Verdict, "a baseline that failed gets no verdict")
}

func TestWhatFailedBeforeTheDeployDoesNotCountAgainstIt(t *testing.T) {
	f := installed(t, "fine")
	f.push(record.Revision{Image: "sick"}, nil) // one of its checks fails
	f.history[0].Verdict = record.MarkGood      // it did not when it was deployed
	result := f.deploy(t, "sick2")
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.True(t, f.probed[0].Quick, "the live release is only looked at")
	require.False(t, f.probed[1].Quick)

	f = installed(t, "fine")
	require.Equal(t, record.VerdictRolledBack, f.deploy(t, "sick2").Verdict, "it passed before")
}

func TestWhatCannotBeAskedIsNeitherGoodNorRolledBack(t *testing.T) {
	f := installed(t, "fine")
	result := f.deploy(t, "unheard")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Equal(t, "smoke/not-proven", result.Cause.Code)
	require.Contains(t, result.Advice, "stagecrew recover")
	require.NotContains(t, f.calls, "rollback")
	require.Equal(t, record.MarkPending, f.history[0].Verdict)
}

func TestARollbackIsProvenOrNeedsAHuman(t *testing.T) {
	t.Run("the copy does not pass", func(t *testing.T) {
		f := installed(t)
		f.push(record.Revision{Image: "crash"}, nil)
		f.history[0].Verdict = record.MarkGood // it was good once
		result := f.deploy(t, "mute")
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Contains(t, result.Advice, "revision 3, the rollback to 1, did not pass: Pod/a: Error: backstage: exit code 1")
	})
	t.Run("live objects differ", func(t *testing.T) {
		f := installed(t, "fine")
		f.drift = []record.Change{{Object: "Deployment/backstage", Action: "update", Fields: "spec.replicas"}}
		result := f.deploy(t, "mute")
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Contains(t, result.Advice, "somebody else changed them: Deployment/backstage (spec.replicas)")
	})
	t.Run("Helm fails", func(t *testing.T) {
		f := installed(t, "fine")
		f.errs["rollback"] = errors.New("no route")
		result := f.deploy(t, "mute")
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Contains(t, result.Advice, "rolling back to revision 1: no route")
	})
}

func TestAnApplyThatTheAPIServerRejectsIsAFailedDeploy(t *testing.T) {
	f := installed(t, "fine")
	f.errs["apply"] = rejected{record.Cause{Code: "release/apply-rejected", Message: "admission says no"}}
	result := f.deploy(t, "fine2")
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
	require.Equal(t, "release/apply-rejected", result.Cause.Code)
	require.Equal(t, 2, result.Release.Revision)
}

func TestAnErrorBeforeAnythingChangedIsNoVerdict(t *testing.T) {
	for _, what := range []string{"connect", "history", "plan", "check", "lock", "apply"} {
		t.Run(what, func(t *testing.T) {
			f := installed(t, "fine")
			f.errs[what] = record.Unavailable("kube/unreachable", "no route")
			result, err := Deploy(t.Context(), image("fine2"), f.options())
			require.ErrorContains(t, err, "no route")
			require.Equal(t, record.VerdictUnknown, result.Verdict)
			require.Len(t, f.history, 1)
			require.Empty(t, f.holder)
		})
	}
}

func TestPreflightRefusesWhatWouldFailAndLetsWarningsPass(t *testing.T) {
	f := installed(t, "fine")
	f.concerns = []record.Concern{{Code: "preflight/budget", Message: "the startup probe may take longer"}}
	result := f.deploy(t, "fine2")
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, f.concerns, result.Concerns)

	f.calls = nil
	f.concerns = []record.Concern{
		{Code: "preflight/forbidden", Object: "secrets", Message: "may not be listed", Advice: "add a Role", Blocks: true},
		{Code: "preflight/quota", Message: "no pod fits", Blocks: true},
	}
	_, err := Deploy(t.Context(), image("fine3"), f.options())
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.ErrorContains(t, err, "secrets: may not be listed; add a Role")
	require.Equal(t, []string{"check"}, f.calls)
}

func TestADryRunChangesNothing(t *testing.T) {
	f := installed(t, "fine")
	o := f.options()
	o.DryRun = true
	result, err := Deploy(t.Context(), image("fine2"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictOK, result.Verdict)
	require.Len(t, result.Changes, 1)
	require.Equal(t, []string{"check"}, f.calls)
	result, err = Rollback(t.Context(), revisions.RollbackTo{Revision: 1}, o)
	require.NoError(t, err)
	require.Len(t, result.Changes, 1)
	require.Equal(t, []string{"check", "check"}, f.calls)

	for name, run := range map[string]func(context.Context, Options) (record.Record, error){"gate": Gate, "recover": Recover} {
		_, err = run(t.Context(), o)
		require.Equal(t, "deploy/no-dry-run", record.CodeOf(err), "%s would change something", name)
		require.Equal(t, []string{"check", "check"}, f.calls)
	}
}

func TestWhatADeadRunAppliedInPartIsUndoneFirst(t *testing.T) {
	f := installed(t, "fine")
	f.push(record.Revision{Image: "half"}, errors.New("killed"))
	f.history[0].Status = "pending-upgrade"
	result := f.deploy(t, "fine2")
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Less(t, index(f.calls, "rollback"), index(f.calls, "apply"))
	require.Equal(t, 4, result.Release.Live)
}

func index(calls []string, what string) int {
	for i, c := range calls {
		if c == what {
			return i
		}
	}
	return -1
}

func TestTheClusterKnowsWhereARunStands(t *testing.T) {
	f := installed(t, "fine")
	f.deploy(t, "crash")
	var noted []string
	require.Zero(t, f.journals[len(f.journals)-1], "nothing is left to finish")
	f.journals = f.journals[:len(f.journals)-1]
	for _, j := range f.journals {
		noted = append(noted, j.Phase)
		require.Equal(t, "test", j.Holder)
	}
	require.Equal(t, "baseline apply watch evidence rolling-back re-gating", strings.Join(noted, " "))
	last := f.journals[len(f.journals)-1]
	require.Equal(t, 2, last.Revision)
	require.Equal(t, 1, last.RollbackTarget)
}

// A signal in each phase, and what is done about it.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		during, image string
		helmEnds      bool // Helm ends its work before the run has to
		calls         string
		live          int
		cause         string // of the rollback
		advice        string
	}{
		{during: "check", image: "fine2", live: 1, advice: "before anything was changed"},
		{during: "lock", image: "fine2", live: 1, advice: "before anything was changed"},
		{during: "probe", image: "fine2", live: 1, advice: "before anything was changed"},
		{during: "apply", image: "fine2", live: 1, advice: "while the release was being changed"},
		{during: "apply", image: "fine2", helmEnds: true, cause: "deploy/cancelled", calls: "rollback", live: 3, advice: "the rollback to revision 1 was applied but not checked"},
		{during: "hold", image: "fine2", cause: "deploy/cancelled", calls: "rollback", live: 3, advice: "the rollback to revision 1 was applied but not checked"},
		{during: "mark bad", image: "crash", helmEnds: true, cause: "rollout/crash-loop", calls: "rollback", live: 3, advice: "the rollback to revision 1 was applied but not checked"},
		{during: "collect", image: "crash", cause: "rollout/crash-loop", calls: "rollback", live: 3, advice: "the rollback to revision 1 was applied but not checked"},
		{during: "rollback", image: "crash", cause: "rollout/crash-loop", live: 2, advice: "while the release was being changed"},
		{during: "rollback", image: "crash", helmEnds: true, cause: "rollout/crash-loop", calls: "rollback", live: 3, advice: "the rollback to revision 1 was applied but not checked"},
	} {
		t.Run(c.during+" "+c.image, func(t *testing.T) {
			f := installed(t, "fine")
			ctx, cancel := context.WithCancel(t.Context())
			f.on = func(what string) {
				if what == c.during && ctx.Err() == nil {
					cancel()
					if !c.helmEnds {
						f.fails(what, context.Canceled)
					}
				}
			}
			o := f.options()
			o.Soak = time.Minute
			var said strings.Builder
			o.Log = slog.New(slog.NewTextHandler(&said, nil))
			result, err := Deploy(ctx, image(c.image), o)
			require.NoError(t, err)
			require.Equal(t, record.VerdictCancelled, result.Verdict)
			require.Contains(t, result.Advice, c.advice)
			if c.cause == "" {
				require.Nil(t, result.Cause)
			} else {
				require.NotNil(t, result.Cause)
				require.Equal(t, c.cause, result.Cause.Code)
			}
			require.Equal(t, c.calls == "rollback", f.history[0].Origin == 1, "%v", f.calls)
			require.Equal(t, c.live, result.Release.Live)
			require.Equal(t, record.MarkGood == f.history[0].Verdict, len(f.history) == 1, "what is not proven is not good")
			require.Empty(t, f.holder)
			require.NotContains(t, said.String(), "error=", "cancelled is cancelled, and no trouble with the cluster")
			if c.cause == "rollout/crash-loop" {
				require.Equal(t, record.MarkBad, f.history[len(f.history)-2].Verdict, "that it failed is known")
			}
		})
	}
}

func TestASignalWhileReGatingLeavesTheRestToTheNextRun(t *testing.T) {
	f := installed(t, "fine")
	ctx, cancel := context.WithCancel(t.Context())
	rolled := false
	f.on = func(what string) {
		rolled = rolled || what == "rollback"
		if rolled && what == "watch" {
			cancel()
		}
	}
	result, err := Deploy(ctx, image("crash"), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictCancelled, result.Verdict)
	require.Equal(t, "rollout/crash-loop", result.Cause.Code)
	f.on = nil
	result, err = Recover(t.Context(), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, record.MarkGood, f.history[0].Verdict)
}

func TestASignalDoesNotLoseACompleteProof(t *testing.T) {
	f := installed(t, "fine")
	ctx, cancel := context.WithCancel(t.Context())
	f.on = func(what string) {
		if what == "mark good" {
			cancel()
		}
	}
	result, err := Deploy(ctx, image("fine2"), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, record.MarkGood, f.history[0].Verdict)
}

func TestARunThatLosesItsLockTouchesNothingFurther(t *testing.T) {
	f := installed(t, "fine")
	f.on = func(what string) {
		if what == "watch" && len(f.history) == 2 {
			f.lose(record.Unavailable("release/lock-lost", "another run has taken over"))
		}
	}
	result, err := Deploy(t.Context(), image("crash"), f.options())
	require.ErrorContains(t, err, "another run has taken over")
	require.Equal(t, record.VerdictUnknown, result.Verdict)
	require.NotContains(t, f.calls, "rollback")
	require.NotContains(t, f.calls, "mark bad")
	require.Equal(t, "test", f.holder, "nor the lock, which is another's")
}

func TestAVerdictThatCannotBeWrittenIsNotGood(t *testing.T) {
	f := installed(t)
	f.errs["mark good"] = errors.New("forbidden")
	result := f.deploy(t, "fine")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Equal(t, "deploy/verdict-not-written", result.Cause.Code)
}

func TestTheStateIsReportedAsItGoes(t *testing.T) {
	f := installed(t, "fine")
	o := f.options()
	var seen []int
	o.Report = func(r record.Record) { seen = append(seen, len(r.Phases)) }
	_, err := Deploy(t.Context(), image("fine2"), o)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, seen)
}

func TestAHistoryThatMayNotBeReadDoesNotHideWhatElseIsMissing(t *testing.T) {
	f := installed(t, "fine")
	f.fails("history", record.Refused("release/forbidden", "secrets is forbidden"))
	f.concerns = []record.Concern{{Code: "preflight/forbidden", Message: "list secrets, get leases", Blocks: true}}
	_, err := Deploy(t.Context(), image("fine2"), f.options())
	require.ErrorContains(t, err, "list secrets, get leases")
	f.concerns = nil
	_, err = Deploy(t.Context(), image("fine2"), f.options())
	require.ErrorContains(t, err, "secrets is forbidden", "whatever the checks say")
}
