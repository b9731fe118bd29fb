package deploy

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

func TestAGoodReleaseIsMarkedGood(t *testing.T) {
	f := &fakeCluster{}
	result := f.deploy(t, "fine")
	require.Equal(t, pipeline.VerdictGood, result.Verdict)
	require.Equal(t, pipeline.MarkGood, f.history[0].Verdict)
	require.Equal(t, pipeline.Release{Name: "backstage", Namespace: "prod", Revision: 1, Live: 1}, result.Release)
	require.Nil(t, result.Cause)
}

func TestABadReleaseGoesBackToTheLastGoodOne(t *testing.T) {
	for name, wantCode := range map[string]string{"crash": "rollout/crash-loop", "mute": "smoke/check-failed", "unheard": "smoke/not-proven"} {
		t.Run(name, func(t *testing.T) {
			f := &fakeCluster{}
			f.deploy(t, "fine")
			result := f.deploy(t, name)
			require.Equal(t, pipeline.VerdictRolledBack, result.Verdict)
			require.Equal(t, wantCode, result.Cause.Code)
			require.Equal(t, 2, result.Release.Revision)
			require.Equal(t, 1, result.Release.PreviousGood)
			require.Equal(t, 3, result.Release.Live)
			require.Equal(t, pipeline.MarkBad, f.history[1].Verdict)
			require.Equal(t, pipeline.MarkGood, f.history[0].Verdict, "the copy was gated, too")
			require.Equal(t, 3, f.connects, "the rollback has clients of its own")
		})
	}
}

func TestAFailedFirstInstallIsKeptForInspection(t *testing.T) {
	f := &fakeCluster{}
	result := f.deploy(t, "crash")
	require.Equal(t, pipeline.VerdictNeedsHuman, result.Verdict)
	require.Contains(t, result.Advice, "helm uninstall backstage --namespace prod")
	require.Equal(t, []string{"apply"}, f.calls)
	require.Equal(t, pipeline.MarkBad, f.history[0].Verdict)
}

func TestALiveRevisionOfSomebodyElseBecomesTheBaseline(t *testing.T) {
	f := &fakeCluster{}
	f.push(pipeline.Revision{Image: "fine"})
	f.history[0].Verdict = pipeline.MarkNone
	result := f.deploy(t, "crash")
	require.Equal(t, pipeline.VerdictRolledBack, result.Verdict)
	require.Equal(t, 1, result.Release.PreviousGood)
}

func TestWithoutAProvenRevisionNothingFurtherIsTouched(t *testing.T) {
	f := &fakeCluster{}
	f.push(pipeline.Revision{Image: "crash"})
	f.history[0].Verdict = pipeline.MarkNone
	result := f.deploy(t, "crash")
	require.Equal(t, pipeline.VerdictNeedsHuman, result.Verdict)
	require.Equal(t, []string{"apply"}, f.calls)
	require.Equal(t, pipeline.MarkNone, f.history[1].Verdict, "a baseline that failed gets no verdict")
}

func TestARollbackThatFailsNeedsAHuman(t *testing.T) {
	f := &fakeCluster{}
	f.push(pipeline.Revision{Image: "crash"})
	f.history[0].Verdict = pipeline.MarkGood // it was good once
	result := f.deploy(t, "mute")
	require.Equal(t, pipeline.VerdictNeedsHuman, result.Verdict)
	require.Contains(t, result.Advice, "revision 3, the rollback to 1, did not pass")
}

type rejected struct{ pipeline.Cause }

func (r rejected) Error() string               { return r.Message }
func (r rejected) DeployCause() pipeline.Cause { return r.Cause }

func TestAnApplyThatTheAPIServerRejectsIsAFailedDeploy(t *testing.T) {
	f := &fakeCluster{}
	f.deploy(t, "fine")
	f.applyErr = rejected{pipeline.Cause{Code: "release/apply-rejected", Message: "field is immutable"}}
	result := f.deploy(t, "fine2")
	require.Equal(t, pipeline.VerdictRolledBack, result.Verdict)
	require.Equal(t, "release/apply-rejected", result.Cause.Code)
}

func TestAnApplyThatChangedNothingIsAnError(t *testing.T) {
	f := &fakeCluster{applyErr: pipeline.Unavailable("kube/unreachable", "no route")}
	result, err := Deploy(t.Context(), image("fine"), f.options())
	require.ErrorContains(t, err, "no route")
	require.Equal(t, pipeline.VerdictUnknown, result.Verdict)
	require.Empty(t, f.history)
}

func TestALockHeldByAnotherRunStopsBeforeAnything(t *testing.T) {
	f := &fakeCluster{lockErr: pipeline.Refused("release/locked", "held by run 7")}
	_, err := Deploy(t.Context(), image("fine"), f.options())
	require.Equal(t, pipeline.KindRefused, pipeline.KindOf(err))
	require.Empty(t, f.calls)
}

func TestASignalAfterApplyStartsTheRollbackAndRecordsIt(t *testing.T) {
	f := &fakeCluster{}
	f.deploy(t, "fine")
	ctx, cancel := context.WithCancel(t.Context())
	f.cancel = cancel
	result, err := Deploy(ctx, image("signal"), f.options())
	require.NoError(t, err)
	require.Equal(t, pipeline.VerdictCancelled, result.Verdict)
	require.Equal(t, 3, result.Release.Live)
	require.Equal(t, pipeline.MarkPending, f.history[0].Verdict, "the rollback is not proven yet")
	require.Equal(t, pipeline.MarkBad, f.history[1].Verdict)
}

func TestASignalBeforeApplyTouchesNothing(t *testing.T) {
	f := &fakeCluster{lockErr: context.Canceled}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result, err := Deploy(ctx, image("fine"), f.options())
	require.NoError(t, err)
	require.Equal(t, pipeline.VerdictCancelled, result.Verdict)
	require.Empty(t, f.calls)
}

func TestAVerdictThatCannotBeWrittenIsNotGood(t *testing.T) {
	f := &fakeCluster{markErr: errors.New("forbidden")}
	result := f.deploy(t, "fine")
	require.Equal(t, pipeline.VerdictNeedsHuman, result.Verdict)
	require.Equal(t, "deploy/verdict-not-written", result.Cause.Code)
}
