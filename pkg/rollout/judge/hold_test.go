package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestAJobsPodThatEndsIsNoBadSignInAHold(t *testing.T) {
	h := hold{judge: New(nil), failures: map[types.UID]int{"a": 0}}
	over := fixture.Pod("migrate-1", "x", false, fixture.Crashed(0, 0, "Completed"))
	over.UID = "a"
	v := Verdict{Statuses: []Status{{Batch: true, Members: []member{{Pod: over, Fresh: true}}}}}
	found, _ := h.Judged(cluster.Snapshot{}, v)
	require.Nil(t, found)
	v.Statuses[0].Batch = false
	found, _ = h.Judged(cluster.Snapshot{}, v)
	require.NotNil(t, found)
}

// A budget of liveness that is longer than anybody waits: --soak auto ends after five
// minutes, and the container is killed when nobody looks any more.
func TestALivenessThatNeverPassesIsKnownBeforeItsBudgetIsOver(t *testing.T) {
	fails := func(at time.Duration, words string) *corev1.Event {
		e := fixture.Event("Pod", "web-new", "Unhealthy", words)
		e.LastTimestamp = metav1.NewTime(fixture.Noon.Add(at))
		return e
	}
	const never = "Liveness probe failed: HTTP probe failed with statuscode: 500"
	for name, c := range map[string]struct {
		now    time.Duration // since the pod was ready
		budget int32         // failures of a probe that asks every ten seconds
		event  *corev1.Event
		doomed bool
	}{
		"it fails for as long as anybody waits":  {mostFailing, 60, fails(mostFailing-5*time.Second, never), true},
		"a while before":                         {mostFailing - time.Second, 60, fails(mostFailing-5*time.Second, never), false},
		"it failed, and has passed since":        {mostFailing, 60, fails(time.Minute, never), false},
		"readiness fails, which kills nobody":    {mostFailing, 60, fails(mostFailing-5*time.Second, "Readiness probe failed: no"), false},
		"its budget is over, and it still lives": {mostFailing, 3, fails(mostFailing-5*time.Second, never), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := fixture.With(fixture.Pod("web-new", "new", true, fixture.Running(0)), corev1.PodScheduled, corev1.ConditionTrue, "", "")
			p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(fixture.Noon)
			p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(fixture.Noon)}
			p.Spec.Containers[0].LivenessProbe = &corev1.Probe{PeriodSeconds: 10, FailureThreshold: c.budget, TimeoutSeconds: 1}
			s := fixture.Deploying(p)
			s.Events = []*corev1.Event{c.event}
			h := NewHold(New(nil), nil)
			look := h.judge.Decide(s, fixture.Noon.Add(c.now))
			s.Now = h.judge.Now
			s.Index()
			found, _ := h.Judged(s, look)
			if !c.doomed {
				require.Nil(t, found)
				return
			}
			require.NotNil(t, found)
			require.Equal(t, causes.NotStable, found.Cause.Code)
			require.Equal(t, "web", found.Cause.Container)
			require.Contains(t, found.Cause.Message, "its liveness probe still fails 300s after it was ready, and has it killed after 603s")
			require.Contains(t, found.Cause.Message, "statuscode: 500")
		})
	}
}

// A sidecar that dies again and again, of a pod whose other containers are well: the kubelet starts it again at once, and
// shows the pod as ready all the while (shopware/shopware-operator#196). Its soak begins with the last start.
func TestAPodIsReadySinceItsLastContainerWasStarted(t *testing.T) {
	pod := func(restarts int32, started time.Duration) *corev1.Pod {
		p := fixture.Pod("web-new", "new", true, fixture.Running(restarts))
		p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(fixture.Noon)
		p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(fixture.Noon.Add(started * time.Second))}
		return p
	}
	j := New(nil)
	for _, look := range []struct {
		now      time.Duration
		restarts int32
		started  time.Duration
		became   time.Duration
	}{
		{4, 0, -1, 0},
		{8, 0, -1, 0},
		{10, 1, 9, 10},  // ended between two looks: our own clock
		{14, 1, 9, 10},  // nothing new
		{21, 2, 20, 21}, // and again
	} {
		p := pod(look.restarts, look.started)
		j.Decide(fixture.Deploying(p), fixture.Noon.Add(look.now*time.Second))
		require.Equal(t, fixture.Noon.Add(look.became*time.Second), j.becameReady(p), "after %d s", look.now)
	}
	j = New(nil)
	p := pod(1, 9)
	j.Decide(fixture.Deploying(p), fixture.Noon.Add(14*time.Second))
	require.Equal(t, fixture.Noon.Add(9*time.Second), j.becameReady(p), "who looks for the first time goes by the node")
}
