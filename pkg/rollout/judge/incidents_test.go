package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// replay judges one pod's states, each from its second on, and says when and why
// the rollout failed.
func replay(until int, states map[int]corev1.ContainerStatus) (int, string) {
	j := New(nil)
	now := fixture.Waiting("ContainerCreating", "")
	for second := range until + 1 {
		if c, changed := states[second]; changed {
			now = c
		}
		if v := j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, now)), fixture.Noon.Add(time.Duration(second)*time.Second)); v.Failed != nil {
			return second, v.Failed.Cause.Message
		}
	}
	return -1, ""
}

func TestOneTroubleKeepsItsClockWhileItChangesItsLooks(t *testing.T) {
	busy := fixture.Waiting("ErrImagePull", "503 Service Unavailable")
	backOff := fixture.Waiting("ImagePullBackOff", `Back-off pulling image "web"`)
	missing := fixture.Waiting("ErrImagePull", "manifest unknown")
	creating := fixture.Waiting("ContainerCreating", "")
	noSecret := fixture.Waiting("CreateContainerConfigError", `secret "db" not found`)
	for name, c := range map[string]struct {
		states  map[int]corev1.ContainerStatus
		seconds int
		message string
	}{
		"a generic back-off keeps the first words":        {map[int]corev1.ContainerStatus{0: missing, 1: backOff}, 3, "manifest unknown"},
		"a pull that is tried again goes on":              {map[int]corev1.ContainerStatus{0: missing, 1: creating, 4: missing}, 4, "manifest unknown"},
		"errors and back-offs of a busy registry":         {map[int]corev1.ContainerStatus{0: busy, 30: backOff, 60: busy, 90: backOff}, 120, "503 Service Unavailable"},
		"a busy registry that then knows no image":        {map[int]corev1.ContainerStatus{0: busy, 100: missing}, 103, "manifest unknown"},
		"a trouble that went away starts anew":            {map[int]corev1.ContainerStatus{0: noSecret, 14: creating, 30: noSecret}, 55, `secret "db" not found`},
		"a busy registry that recovers after 40 s":        {map[int]corev1.ContainerStatus{0: busy, 20: backOff, 40: fixture.Running(0)}, -1, ""},
		"a Secret that comes after five seconds":          {map[int]corev1.ContainerStatus{0: noSecret, 5: fixture.Running(0)}, -1, ""},
		"one crash and then fine":                         {map[int]corev1.ContainerStatus{0: fixture.Crashed(0, 1, "Error"), 10: fixture.Running(1)}, -1, ""},
		"crashes count wherever the container is by now":  {map[int]corev1.ContainerStatus{0: fixture.Running(0), 5: fixture.Crashed(0, 1, "Error"), 15: fixture.Running(1), 20: fixture.Crashed(1, 1, "Error"), 40: fixture.Running(2), 41: fixture.Running(3)}, 41, "exited 3 times"},
		"memory once and then a crash are not two of one": {map[int]corev1.ContainerStatus{0: fixture.Crashed(0, 137, "OOMKilled"), 20: fixture.Crashed(1, 1, "Error")}, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			seconds, message := replay(300, c.states)
			require.Equal(t, c.seconds, seconds)
			require.Equal(t, c.message, message)
		})
	}
}

func TestOneBadNodeNeedsLongerOnceAnotherPodWasReady(t *testing.T) {
	three := int32(3)
	look := func(status corev1.ContainerStatus, others bool) cluster.Snapshot {
		s := fixture.Deploying(fixture.Pod("web-new", "new", false, status), fixture.Pod("web-other", "new", others))
		s.Deployments[0].Spec.Replicas = &three
		return s
	}
	for name, c := range map[string]struct {
		status        corev1.ContainerStatus
		alone, shared int
	}{
		"a missing image": {fixture.Waiting("ErrImagePull", "not found"), 3, 60},
		"a crash loop":    {fixture.Crashed(2, 1, "Error"), 0, 60},
		"a busy registry": {fixture.Waiting("ErrImagePull", "503"), 120, 120},
	} {
		t.Run(name, func(t *testing.T) {
			seconds, _ := after(look(c.status, false), 600)
			require.Equal(t, c.alone, seconds)
			seconds, _ = after(look(c.status, true), 600)
			require.Equal(t, c.shared, seconds)

			// It is enough that the other one was ready once.
			j := New(nil)
			j.Decide(look(fixture.Waiting("ContainerCreating", ""), true), fixture.Noon)
			seconds, _ = afterBy(j, look(c.status, false), 600)
			require.Equal(t, c.shared, seconds)
		})
	}
}

func TestAVerdictSaysWhenTimeAloneMayChangeIt(t *testing.T) {
	j := New(nil)
	s := fixture.Deploying(fixture.Pod("web-a", "new", false, fixture.Waiting("ErrImagePull", "503")), fixture.Pod("web-b", "new", false, fixture.Waiting("CreateContainerConfigError", `secret "x" not found`)))
	require.Equal(t, 25*time.Second, j.Decide(s, fixture.Noon).Again)
	require.Equal(t, 15*time.Second, j.Decide(s, fixture.Noon.Add(10*time.Second)).Again)
	require.Zero(t, New(nil).Decide(fixture.Deploying(), fixture.Noon).Again)
}

func TestATimeoutPrefersWhatMayFailToWhatIsWaitedFor(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-a", "new", false, fixture.Running(0)), fixture.Pod("web-b", "new", false, fixture.Waiting("ErrImagePull", "503 Service Unavailable")))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-a", "Unhealthy", "Readiness probe failed")}
	require.Equal(t, "Pod/web-b", timedOut(s).Object)
}

func TestATimeoutNamesTheFirstTroubleWhenNoneIsLeft(t *testing.T) {
	j := New(nil)
	j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("ErrImagePull", "503 Service Unavailable"))), fixture.Noon)
	v := j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false)), fixture.Noon.Add(20*time.Second))
	require.Equal(t, "waiting for Deployment/web: 0 of 1 new pods ready, 1 old after 90s: 503 Service Unavailable", j.Timeout(v.Progress, 90*time.Second).Cause.Message)
}

func TestATroubleThatWasGoneForLongStartsAnewAlsoWithoutALookInBetween(t *testing.T) {
	j := New(nil)
	look := func(second int, status corev1.ContainerStatus) *detect.Trouble {
		return j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, status)), fixture.Noon.Add(time.Duration(second)*time.Second)).Failed
	}
	noSecret := fixture.Waiting("CreateContainerConfigError", `secret "db" not found`)
	require.Nil(t, look(0, noSecret))
	require.Nil(t, look(10, fixture.Waiting("ContainerCreating", "")))
	require.Nil(t, look(30, noSecret), "twenty seconds without it")
	require.NotNil(t, look(55, noSecret))
}

// rancher/fleet#364: a Job of hours beside an application whose probe failed once.
func TestMemory_WhatHasHealedIsNoCauseOfATimeout(t *testing.T) {
	job := record.Workload{Kind: "Job", Namespace: "portal", Name: "reindex"}
	with := func(s cluster.Snapshot) cluster.Snapshot {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "reindex", Namespace: "portal", UID: "j"}, Status: batchv1.JobStatus{Active: 1}}
		s.Jobs, s.Workloads = []*batchv1.Job{j}, append(s.Workloads, job)
		return s
	}
	s := with(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0))))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed")}
	j := New(nil)
	j.Decide(s, fixture.Noon)
	v := j.Decide(with(fixture.Deployed()), fixture.Noon.Add(20*time.Second))
	cause := j.Timeout(v.Progress, time.Minute).Cause
	require.Equal(t, "waiting for Job/reindex: 1 active, 0 failed after 60s", cause.Message)
	require.Empty(t, cause.Object)
}

// argoproj/argo-cd#27871: pods that are ready and not available yet are not late for what healed.
func TestMemory_MinReadySecondsIsNamedInsteadOfAProbeThatPassedSince(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed")}
	j := New(nil)
	j.Decide(s, fixture.Noon)
	s = fixture.Deploying(fixture.Pod("web-new", "new", true, fixture.Running(0)))
	s.Deployments[0].Spec.MinReadySeconds = 90
	v := j.Decide(s, fixture.Noon.Add(20*time.Second))
	require.False(t, v.Ready)
	require.Equal(t, "waiting for Deployment/web: 1 of 1 new pods ready, 1 old, 0 of them for the 90s of its minReadySeconds after 60s", j.Timeout(v.Progress, time.Minute).Cause.Message)
}

// kubernetes/kubernetes#100842: a StatefulSet does not go on before its pods are available.
func TestAStatefulSetNamesItsMinReadySeconds(t *testing.T) {
	s := databases()
	s.StatefulSets[0].Spec.MinReadySeconds, s.StatefulSets[0].Status.AvailableReplicas = 90, 0
	require.Contains(t, New(nil).Decide(s, fixture.Noon).Progress, " pods for the 90s of its minReadySeconds")
}
