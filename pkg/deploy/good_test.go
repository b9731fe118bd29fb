package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// unjudged puts a revision of somebody else's on top.
func (f *fakeCluster) unjudged(name string) {
	f.push(record.Revision{Image: name}, nil)
	f.history[0].Verdict = record.MarkNone
}

// https://github.com/backstage/backstage/issues/2892
func TestAFirstInstallThatCrashesIsToldHowToWaitForWhatItNeeds(t *testing.T) {
	f := installed(t)
	result := f.deploy(t, "crash")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Contains(t, result.Advice, "the first install failed")
	require.Contains(t, result.Advice, "--rollout-rule crash-loop=ignore gives it until --timeout")
	require.True(t, f.watched[len(f.watched)-1].Alone)

	f = installed(t, "fine")
	f.deploy(t, "fine2")
	require.False(t, f.watched[len(f.watched)-1].Alone, "a rollback waits")
}

// A plain `helm upgrade` after a verified-good revision (helm/helm#32404).
func TestALiveRevisionThatNobodyJudgedIsJudgedFirst(t *testing.T) {
	t.Run("a hotfix that works is what a failing deploy goes back to", func(t *testing.T) {
		f := installed(t, "fine")
		f.unjudged("hotfix")
		result := f.deploy(t, "crash")
		require.Equal(t, record.VerdictRolledBack, result.Verdict)
		require.Equal(t, 2, result.Release.RollbackTarget)
		require.Equal(t, record.MarkGood, f.history[2].Verdict)
	})
	t.Run("one that does not work is none", func(t *testing.T) {
		f := installed(t, "fine")
		f.unjudged("mute")
		result := f.deploy(t, "crash")
		require.Equal(t, record.VerdictRolledBack, result.Verdict)
		require.Equal(t, 1, result.Release.RollbackTarget)
		require.Equal(t, record.MarkNone, f.history[2].Verdict)
	})
	t.Run("one that could not be looked at leaves everything as it is", func(t *testing.T) {
		f := installed(t, "fine")
		f.unjudged("hotfix")
		f.errs["watch"] = record.Unavailable("rollout/unreadable", "no route")
		_, err := Deploy(t.Context(), image("fine2"), f.options())
		require.ErrorContains(t, err, "no route")
		require.NotContains(t, f.calls, "apply")
	})
	t.Run("one that was changed since is no target", func(t *testing.T) {
		f := installed(t, "fine")
		f.unjudged("hotfix")
		f.drift = []record.Change{{Object: "Deployment/backstage", Action: "update", Fields: "spec.replicas"}}
		f.on = func(what string) {
			if what == "apply" {
				f.drift = nil
			}
		}
		result := f.deploy(t, "crash")
		require.Equal(t, 1, result.Release.RollbackTarget)
	})
}

// A failed `helm upgrade` of somebody else copies the verdict of its predecessor.
func TestARevisionThatNeverCameToItsEndIsNoTarget(t *testing.T) {
	for _, status := range []record.RevisionStatus{"failed", "pending-upgrade", "pending-rollback", "uninstalling"} {
		history := []record.Revision{
			{Number: 2, Status: status, Verdict: record.MarkGood},
			{Number: 1, Status: "deployed", Verdict: record.MarkGood},
		}
		if status == record.StatusUninstalling {
			require.Empty(t, revisions.Proven(history), "what was taken away does not come back by itself")
			continue
		}
		require.Equal(t, 1, revisions.Proven(history)[0].Number, "%s", status)
	}
	f := installed(t, "fine")
	f.push(record.Revision{Image: "crash"}, errors.New("context deadline exceeded"))
	f.history[0].Verdict = record.MarkGood
	result := f.deploy(t, "crash2")
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
	require.Contains(t, f.history[0].Image, "/fine@")
}

func TestWhatSomebodyElseChangedIsNotGood(t *testing.T) {
	changed := []record.Change{
		{Object: "Deployment/backstage", Action: "update", Fields: "spec.template.spec.containers[app].image"},
		{Object: "Service/backstage", Action: "create"},
	}
	for name, c := range map[string]struct {
		do      func(*fakeCluster) (record.Record, error)
		verdict record.Verdict
		mark    record.Mark
	}{
		"deploy goes back": {func(f *fakeCluster) (record.Record, error) {
			f.on = func(what string) { f.changes(what == "rollback", nil) }
			return Deploy(t.Context(), image("fine2"), f.options())
		}, record.VerdictRolledBack, record.MarkPending},
		"gate refuses": {func(f *fakeCluster) (record.Record, error) {
			f.unjudged("fine2")
			return Gate(t.Context(), f.options())
		}, record.VerdictRefused, record.MarkNone},
		"recover goes back": {func(f *fakeCluster) (record.Record, error) {
			f.push(record.Revision{Image: "fine2"}, nil)
			f.on = func(what string) { f.changes(what == "rollback", nil) }
			return Recover(t.Context(), f.options())
		}, record.VerdictRolledBack, record.MarkPending},
		"a rollback by hand needs a human": {func(f *fakeCluster) (record.Record, error) {
			return Rollback(t.Context(), revisions.RollbackTo{Revision: 1}, f.options())
		}, record.VerdictNeedsHuman, record.MarkPending},
	} {
		t.Run(name, func(t *testing.T) {
			f := installed(t, "fine")
			f.drift = changed
			result, err := c.do(f)
			require.NoError(t, err)
			require.Equal(t, c.verdict, result.Verdict)
			require.Equal(t, codeChanged, result.Cause.Code)
			require.Equal(t, "Deployment/backstage", result.Cause.Object)
			require.Contains(t, result.Cause.Message, "containers[app].image), Service/backstage (it is gone)")
			judged := slices.IndexFunc(f.history, func(r record.Revision) bool { return r.Number == 2 })
			require.Equal(t, c.mark, f.history[judged].Verdict, "neither good nor bad")
		})
	}
}

// changes sets the drift from some moment on.
func (f *fakeCluster) changes(now bool, drift []record.Change) {
	if now {
		f.drift = drift
	}
}

func TestGateBlamesNoRevisionForWhatSomebodyElseDid(t *testing.T) {
	f := installed(t, "fine")
	f.unjudged("crash")
	f.drift = []record.Change{{Object: "Deployment/backstage", Action: "update", Fields: "spec.template"}}
	result, err := Gate(t.Context(), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictRefused, result.Verdict)
	require.Equal(t, codeChanged, result.Cause.Code)
	require.Contains(t, result.Advice, "`stagecrew rollback --release backstage --namespace prod --to 2` or the next deploy puts back what revision 2 says")
	require.Equal(t, record.MarkNone, f.history[0].Verdict)
	require.NotContains(t, f.calls, "watch", "nothing has to be waited for")

	f = installed(t, "fine")
	f.unjudged("crash")
	f.on = func(what string) {
		f.changes(what == "watch", []record.Change{{Object: "Deployment/backstage", Action: record.ActionUpdate, Fields: "spec.template"}})
	}
	result, err = Gate(t.Context(), f.options())
	require.NoError(t, err)
	require.Equal(t, codeChanged, result.Cause.Code)
	require.Contains(t, result.Cause.Message, "exit code 1", "what came of it")

	f = installed(t, "fine")
	f.push(record.Revision{Image: "gone"}, nil)
	f.history[0].Verdict = record.MarkGood // somebody deleted its Deployment by hand
	result, err = Gate(t.Context(), f.options())
	require.NoError(t, err)
	require.Equal(t, record.VerdictRefused, result.Verdict)
	require.Equal(t, record.MarkGood, f.history[0].Verdict)
}

func TestWhatCouldNotBeToldMarksNothing(t *testing.T) {
	away := record.Unavailable("rollout/unreadable", "no route")
	for _, what := range []string{"watch", "hold", "drift"} {
		t.Run(what, func(t *testing.T) {
			f := installed(t, "fine")
			f.unjudged("fine2")
			f.errs[what] = away
			result, err := Gate(t.Context(), f.options())
			require.ErrorContains(t, err, "no route")
			require.Equal(t, record.KindUnavailable, record.KindOf(err))
			require.Equal(t, record.VerdictUnknown, result.Verdict)
			require.Equal(t, record.MarkNone, f.history[0].Verdict)

			f.history[0].Verdict = record.MarkPending
			result, err = Recover(t.Context(), f.options())
			require.ErrorContains(t, err, "no route")
			require.Equal(t, record.VerdictUnknown, result.Verdict)
			require.Equal(t, record.MarkPending, f.history[0].Verdict)
			require.Len(t, f.history, 2)

			f = installed(t, "fine")
			f.on = func(step string) {
				if step == "apply" {
					f.fails(what, away)
				}
			}
			result = f.deploy(t, "fine2")
			require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
			require.Equal(t, "deploy/gate-broken", result.Cause.Code)
			require.Contains(t, result.Advice, "stagecrew recover")
			require.Equal(t, record.MarkPending, f.history[0].Verdict)
			require.NotContains(t, f.calls, "rollback")
		})
	}
}

func TestNothingThatRunsIsNotGood(t *testing.T) {
	for _, name := range []string{"zero", "config"} {
		t.Run(name, func(t *testing.T) {
			f := installed(t, "fine")
			result := f.deploy(t, name)
			require.Equal(t, record.VerdictOK, result.Verdict)
			require.True(t, result.Release.Idle)
			require.Equal(t, 2, result.Release.Live)
			require.Equal(t, record.MarkIdle, f.history[0].Verdict)
			require.Empty(t, result.Checks, "nobody is asked")
			require.Len(t, f.probed, 1, "but the live release before it")

			result = f.deploy(t, "crash")
			require.Equal(t, record.VerdictRolledBack, result.Verdict)
			require.Equal(t, 1, result.Release.RollbackTarget, "never back to what runs nothing")

			result = f.rollback(t, revisions.RollbackTo{Revision: 2})
			require.Equal(t, record.VerdictOK, result.Verdict)
			require.Equal(t, record.MarkIdle, f.history[0].Verdict)
		})
	}
	t.Run("somebody scaled it down in the middle", func(t *testing.T) {
		f := installed(t, "fine")
		f.drift = []record.Change{{Object: "Deployment/backstage", Action: "update", Fields: "spec.replicas"}}
		f.on = func(what string) { f.changes(what == "rollback", nil) }
		require.Equal(t, codeChanged, f.deploy(t, "zero").Cause.Code)
	})
	t.Run("a gate finds that somebody scaled a good revision down", func(t *testing.T) {
		f := installed(t)
		f.push(record.Revision{Image: "zero"}, nil)
		f.history[0].Verdict = record.MarkGood
		f.drift = []record.Change{{Object: "Deployment/backstage", Action: "update", Fields: "spec.replicas"}}
		result, err := Gate(t.Context(), f.options())
		require.NoError(t, err)
		require.Equal(t, record.VerdictRefused, result.Verdict)
		require.Equal(t, codeChanged, result.Cause.Code)
		require.Contains(t, result.Cause.Message, "spec.replicas")
		require.Equal(t, record.MarkGood, f.history[0].Verdict, "it says nothing about the revision")
	})
	// A chart without replicas (an autoscaler was planned): neither a deploy nor a
	// rollback gives the pods back, so that none is done.
	t.Run("somebody scaled down what the manifest leaves open", func(t *testing.T) {
		f := installed(t, "fine")
		f.drift = []record.Change{{Object: "Deployment/backstage", Action: record.ActionUpdate, Fields: "spec.replicas",
			Differences: []record.Difference{{Field: "spec.replicas", Live: "0", Manifest: "1", Open: true}}}}
		result := f.deploy(t, "zero")
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Equal(t, codeChanged, result.Cause.Code)
		require.NotContains(t, f.calls, "rollback")
		require.Contains(t, result.Advice, "spec.replicas is 0, which neither the manifest nor an autoscaler says")
		require.Contains(t, result.Advice, "`kubectl scale deployment/backstage --namespace prod --replicas=1` puts that right, then `stagecrew recover` judges it")
		require.Equal(t, record.MarkPending, f.history[0].Verdict)

		result, err := Recover(t.Context(), f.options())
		require.NoError(t, err)
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Contains(t, result.Advice, "kubectl scale deployment/backstage")

		f.history[0].Verdict = record.MarkGood // it was, before
		result, err = Recover(t.Context(), f.options())
		require.NoError(t, err)
		require.Equal(t, record.VerdictOK, result.Verdict)
		require.Contains(t, result.Advice, "kubectl scale deployment/backstage")
	})
	t.Run("a good revision that runs nothing any more is no rollback that serves", func(t *testing.T) {
		f := installed(t)
		f.push(record.Revision{Image: "zero"}, nil)
		f.history[0].Verdict = record.MarkGood // by an older stagecrew
		result := f.deploy(t, "crash")
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Contains(t, result.Advice, "nothing runs")
	})
}

func TestWhatWasNotAskedIsNotProven(t *testing.T) {
	for name, c := range map[string]struct {
		asks    bool
		verdict record.Verdict
		words   string
	}{
		"worker":  {true, record.VerdictNeedsHuman, "no smoke check was sent: no pod with an HTTP port"},
		"rollout": {true, record.VerdictNeedsHuman, "Rollout.argoproj.io/web"},
		"custom":  {false, record.VerdictNeedsHuman, "nothing that runs could be watched: Rollout.argoproj.io/web"},
	} {
		t.Run(name, func(t *testing.T) {
			f := installed(t, "fine")
			o := f.options()
			o.Asks = c.asks
			result, err := Deploy(t.Context(), image(name), o)
			require.NoError(t, err)
			require.Equal(t, c.verdict, result.Verdict)
			require.Contains(t, result.Cause.Message, c.words)
			require.Equal(t, record.MarkPending, f.history[0].Verdict)
			require.NotContains(t, f.calls, "rollback")
		})
	}
	f := installed(t)
	o := f.options()
	o.Asks = false
	result, err := Deploy(t.Context(), image("rollout"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict, "one workload was proven")
	require.Equal(t, []record.Concern{{Code: "deploy/not-proven", Message: "Rollout.argoproj.io/web cannot be watched"}}, result.Concerns)
}

func TestWhatTheSoakDoesNotProveIsToldOnce(t *testing.T) {
	f := installed(t)
	f.notes = []string{"Rollout.argoproj.io/web cannot be watched", "Service/web is of type LoadBalancer and has no address"}
	o := f.options()
	o.Asks = false
	result, err := Deploy(t.Context(), image("rollout"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, []record.Concern{{Code: "deploy/not-proven", Message: f.notes[0]}, {Code: "deploy/not-proven", Message: f.notes[1]}}, result.Concerns)
}

// What no pod needs in order to serve is no reason not to call a revision good.
func TestWhatNobodyWaitsForIsTold(t *testing.T) {
	f := installed(t)
	f.beside = []string{"PodDisruptionBudget/web protects nothing"}
	o := f.options()
	o.Asks = false
	result, err := Deploy(t.Context(), image("fine"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict)
	require.Equal(t, []record.Concern{{Code: "deploy/not-proven", Message: f.beside[0]}}, result.Concerns)
}

func TestTheSoakRunsBesideTheChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := installed(t)
		o := f.options()
		o.Soak = 20 * time.Second
		began := time.Now()
		f.on = func(what string) {
			if what == "probe" && len(f.probed) == 0 {
				time.Sleep(15 * time.Second)
			}
		}
		result, err := Deploy(t.Context(), image("fine"), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictGood, result.Verdict)
		require.Equal(t, 20*time.Second, time.Since(began), "not one after the other")
		require.InDelta(t, 20, result.Soak, 0)
	})
	synctest.Test(t, func(t *testing.T) {
		f := installed(t, "fine")
		o := f.options()
		o.Timeout = 10 * time.Second
		o.Soak = time.Minute
		result, err := Deploy(t.Context(), image("fine2"), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictGood, result.Verdict, "the time of the soak is its own")
	})
	f := installed(t, "fine")
	o := f.options()
	o.Soak = -1
	result, err := Deploy(t.Context(), image("shaky"), o)
	require.NoError(t, err)
	require.Equal(t, record.VerdictGood, result.Verdict, "left out")
	require.NotContains(t, f.calls, "hold")
}

// A process that ends soon after it was ready, before the checks have ended.
func TestPodsThatDoNotLastEndTheChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := installed(t, "fine")
		f.on = func(what string) {
			switch what {
			case "apply":
				f.slow = 50 * time.Second
			case "rollback":
				f.slow = 0
			}
		}
		began := time.Now()
		result := f.deploy(t, "shaky")
		require.Less(t, time.Since(began), 50*time.Second)
		require.Equal(t, record.VerdictRolledBack, result.Verdict)
		require.Equal(t, "rollout/not-stable", result.Cause.Code)
	})
}

func TestAPanicEndsWellWhereverItComes(t *testing.T) {
	for during, c := range map[string]struct {
		verdict record.Verdict
		image   string
		failed  bool // with an error, and nothing changed
	}{
		"check":       {failed: true},
		"lock":        {failed: true},
		"watch":       {failed: true},                      // of the live release
		"apply":       {failed: true},                      // no revision came of it
		"hold":        {verdict: record.VerdictNeedsHuman}, // what judges, could not tell
		"drift":       {verdict: record.VerdictRolledBack}, // after the apply
		"mark good":   {verdict: record.VerdictNeedsHuman}, // it serves
		"collect":     {verdict: record.VerdictRolledBack, image: "crash"},
		"rollback":    {verdict: record.VerdictNeedsHuman, image: "crash"},
		"mark bad":    {verdict: record.VerdictRolledBack, image: "crash"},
		"watch again": {verdict: record.VerdictRolledBack},
		"probe again": {verdict: record.VerdictRolledBack},
	} {
		t.Run(during, func(t *testing.T) {
			f := installed(t, "fine")
			var once atomic.Bool // the soak runs beside the checks
			f.on = func(what string) {
				applied := len(f.history) > 1
				if (what == during || applied && what+" again" == during) && once.CompareAndSwap(false, true) {
					panic("index out of range")
				}
			}
			name := c.image
			if name == "" {
				name = "fine2"
			}
			result, err := Deploy(t.Context(), image(name), f.options())
			require.Empty(t, f.holder, "the lock is released")
			if c.failed {
				require.ErrorContains(t, err, "a bug of stagecrew")
				require.Len(t, f.history, 1)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.verdict, result.Verdict)
			require.NotNil(t, result.Cause)
			if c.verdict == record.VerdictRolledBack {
				require.Equal(t, record.MarkGood, f.history[0].Verdict)
			}
		})
	}
}

func TestADeployWithoutAnImageIsNoRollback(t *testing.T) {
	f := installed(t, "fine")
	_, err := Deploy(t.Context(), record.Verified{}, f.options())
	require.ErrorContains(t, err, "there is no image")
	require.Equal(t, record.KindInput, record.KindOf(err))
	require.Empty(t, f.calls)
}

func TestATargetIsVerifiedLikeADeploy(t *testing.T) {
	refuse := func(names ...string) func(context.Context, record.Image) error {
		return func(_ context.Context, i record.Image) error {
			if has(i.Repository, names...) {
				return record.Refused("sign/no-signature", "nobody signed %s", i)
			}
			return nil
		}
	}
	away := func(context.Context, record.Image) error {
		return record.Unavailable("sign/registry-unavailable", "no route")
	}
	t.Run("the next older one is taken", func(t *testing.T) {
		f := installed(t, "one", "two")
		o := f.options()
		o.Verify = refuse("two")
		result, err := Deploy(t.Context(), image("crash"), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictRolledBack, result.Verdict)
		require.Equal(t, 1, result.Release.RollbackTarget)
		require.Contains(t, fmt.Sprint(result.Concerns), "revision 2 is no rollback target")
	})
	t.Run("without one a human is needed", func(t *testing.T) {
		f := installed(t, "one")
		o := f.options()
		o.Verify = refuse("one")
		result, err := Deploy(t.Context(), image("crash"), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
		require.Contains(t, result.Advice, "signature")
		require.NotContains(t, f.calls, "rollback")
	})
	t.Run("a registry that is away leaves nothing broken", func(t *testing.T) {
		f := installed(t, "one")
		o := f.options()
		o.Verify = away
		result, err := Deploy(t.Context(), image("crash"), o)
		require.NoError(t, err)
		require.Equal(t, record.VerdictRolledBack, result.Verdict)
	})
	t.Run("by hand", func(t *testing.T) {
		f := installed(t, "one", "two", "three")
		o := f.options()
		o.Verify = refuse("two")
		_, err := Rollback(t.Context(), revisions.RollbackTo{Revision: 2}, o)
		require.ErrorContains(t, err, "nobody signed")
		require.Equal(t, record.KindRefused, record.KindOf(err))
		o.Verify = away
		_, err = Rollback(t.Context(), revisions.RollbackTo{}, o)
		require.ErrorContains(t, err, "--allow-unsigned-unsafe")
		require.Equal(t, record.KindUnavailable, record.KindOf(err))
		require.Len(t, f.history, 3)
		o.Verify = refuse("two")
		result, err := Rollback(t.Context(), revisions.RollbackTo{}, o)
		require.NoError(t, err)
		require.Equal(t, 1, result.Release.RollbackTarget)
	})
}

func TestWhatIsGoneIsMadeAgain(t *testing.T) {
	f := installed(t, "fine")
	f.push(record.Revision{Image: "gone"}, nil)
	f.history[0].Verdict = record.MarkGood
	require.Equal(t, record.VerdictGood, f.deploy(t, "fine2").Verdict)
}

func TestAFailedCheckIsEnoughUnlessTheLiveReleaseFailsItToo(t *testing.T) {
	f := installed(t, "fine")
	require.Equal(t, record.VerdictGood, f.deploy(t, "new").Verdict)
	enough := f.probed[len(f.probed)-1].Enough
	require.NotNil(t, enough)
	require.False(t, enough(record.Check{Name: "readiness", Result: "passed"}))
	require.False(t, enough(record.Check{Name: "readiness", Result: "inconclusive"}))
	require.True(t, enough(record.Check{Name: "readiness", Result: "failed"}))

	f = installed(t, "fine")
	f.unjudged("sick")
	f.deploy(t, "new")
	require.Nil(t, f.probed[0].Enough, "what the live release answers is what the new one is weighed against")
	enough = f.probed[len(f.probed)-1].Enough
	require.False(t, enough(record.Check{Name: "page", Result: "failed"}), "it failed before")
	require.True(t, enough(record.Check{Name: "readiness", Result: "failed"}))
}

func TestAnImageThatNothingRunsNowIsNotProven(t *testing.T) {
	f := installed(t, "fine")
	result := f.deploy(t, "nightly")
	require.Equal(t, record.VerdictNeedsHuman, result.Verdict)
	require.Equal(t, "deploy/not-proven", result.Cause.Code)
	require.Contains(t, result.Cause.Message, "nothing that runs now has the verified image: only CronJob/nightly runs it, at another time")
	require.Equal(t, record.MarkPending, f.history[0].Verdict)
}

func TestARevisionIsNotBadForWhatSomebodyDidToItsPods(t *testing.T) {
	f := installed(t, "fine")
	result := f.deploy(t, "swapped")
	require.Equal(t, record.VerdictRolledBack, result.Verdict)
	require.Equal(t, record.MarkPending, f.history[1].Verdict)
}
