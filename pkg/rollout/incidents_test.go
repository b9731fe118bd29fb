package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// replay judges one pod's states, each from its second on, and says when and why
// the rollout failed.
func replay(until int, states map[int]corev1.ContainerStatus) (int, string) {
	j := newJudge(nil)
	now := waiting("ContainerCreating", "")
	for second := range until + 1 {
		if c, changed := states[second]; changed {
			now = c
		}
		if v := j.decide(deploying(pod("web-new", "new", false, now)), noon.Add(time.Duration(second)*time.Second)); v.failed != nil {
			return second, v.failed.cause.Message
		}
	}
	return -1, ""
}

func TestOneTroubleKeepsItsClockWhileItChangesItsLooks(t *testing.T) {
	busy := waiting("ErrImagePull", "503 Service Unavailable")
	backOff := waiting("ImagePullBackOff", `Back-off pulling image "web"`)
	missing := waiting("ErrImagePull", "manifest unknown")
	creating := waiting("ContainerCreating", "")
	noSecret := waiting("CreateContainerConfigError", `secret "db" not found`)
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
		"a busy registry that recovers after 40 s":        {map[int]corev1.ContainerStatus{0: busy, 20: backOff, 40: running(0)}, -1, ""},
		"a Secret that comes after five seconds":          {map[int]corev1.ContainerStatus{0: noSecret, 5: running(0)}, -1, ""},
		"one crash and then fine":                         {map[int]corev1.ContainerStatus{0: crashed(0, 1, "Error"), 10: running(1)}, -1, ""},
		"crashes count wherever the container is by now":  {map[int]corev1.ContainerStatus{0: running(0), 5: crashed(0, 1, "Error"), 15: running(1), 20: crashed(1, 1, "Error"), 40: running(2), 41: running(3)}, 41, "exited 3 times"},
		"memory once and then a crash are not two of one": {map[int]corev1.ContainerStatus{0: crashed(0, 137, "OOMKilled"), 20: crashed(1, 1, "Error")}, -1, ""},
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
	look := func(status corev1.ContainerStatus, others bool) snapshot {
		s := deploying(pod("web-new", "new", false, status), pod("web-other", "new", others))
		s.deployments[0].Spec.Replicas = &three
		return s
	}
	for name, c := range map[string]struct {
		status        corev1.ContainerStatus
		alone, shared int
	}{
		"a missing image": {waiting("ErrImagePull", "not found"), 3, 60},
		"a crash loop":    {crashed(2, 1, "Error"), 0, 60},
		"a busy registry": {waiting("ErrImagePull", "503"), 120, 120},
	} {
		t.Run(name, func(t *testing.T) {
			seconds, _ := after(look(c.status, false), 600)
			require.Equal(t, c.alone, seconds)
			seconds, _ = after(look(c.status, true), 600)
			require.Equal(t, c.shared, seconds)

			// It is enough that the other one was ready once.
			j := newJudge(nil)
			j.decide(look(waiting("ContainerCreating", ""), true), noon)
			seconds, _ = afterBy(j, look(c.status, false), 600)
			require.Equal(t, c.shared, seconds)
		})
	}
}

func TestAVerdictSaysWhenTimeAloneMayChangeIt(t *testing.T) {
	j := newJudge(nil)
	s := deploying(pod("web-a", "new", false, waiting("ErrImagePull", "503")), pod("web-b", "new", false, waiting("CreateContainerConfigError", "x")))
	require.Equal(t, 25*time.Second, j.decide(s, noon).again)
	require.Equal(t, 15*time.Second, j.decide(s, noon.Add(10*time.Second)).again)
	require.Zero(t, newJudge(nil).decide(deploying(), noon).again)
}

func TestATimeoutPrefersWhatMayFailToWhatIsWaitedFor(t *testing.T) {
	s := deploying(pod("web-a", "new", false, running(0)), pod("web-b", "new", false, waiting("ErrImagePull", "503 Service Unavailable")))
	s.events = []*corev1.Event{event("Pod", "web-a", "Unhealthy", "Readiness probe failed")}
	require.Equal(t, "Pod/web-b", timedOut(s).Object)
}

func TestATimeoutNamesTheFirstTroubleWhenNoneIsLeft(t *testing.T) {
	j := newJudge(nil)
	j.decide(deploying(pod("web-new", "new", false, waiting("ErrImagePull", "503 Service Unavailable"))), noon)
	v := j.decide(deploying(pod("web-new", "new", false)), noon.Add(20*time.Second))
	require.Equal(t, "waiting for Deployment/web: 0 of 1 new pods ready, 1 old after 90s: 503 Service Unavailable", j.timeout(v.progress, 90*time.Second).cause.Message)
}

func TestATroubleThatWasGoneForLongStartsAnewAlsoWithoutALookInBetween(t *testing.T) {
	j := newJudge(nil)
	look := func(second int, status corev1.ContainerStatus) *trouble {
		return j.decide(deploying(pod("web-new", "new", false, status)), noon.Add(time.Duration(second)*time.Second)).failed
	}
	noSecret := waiting("CreateContainerConfigError", `secret "db" not found`)
	require.Nil(t, look(0, noSecret))
	require.Nil(t, look(10, waiting("ContainerCreating", "")))
	require.Nil(t, look(30, noSecret), "twenty seconds without it")
	require.NotNil(t, look(55, noSecret))
}

// rancher/fleet#364: a Job of hours beside an application whose probe failed once.
func TestMemory_WhatHasHealedIsNoCauseOfATimeout(t *testing.T) {
	job := record.Workload{Kind: "Job", Namespace: "portal", Name: "reindex"}
	with := func(s snapshot) snapshot {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "reindex", Namespace: "portal", UID: "j"}, Status: batchv1.JobStatus{Active: 1}}
		s.jobs, s.workloads = []*batchv1.Job{j}, append(s.workloads, job)
		return s
	}
	s := with(deploying(pod("web-new", "new", false, running(0))))
	s.events = []*corev1.Event{event("Pod", "web-new", "Unhealthy", "Readiness probe failed")}
	j := newJudge(nil)
	j.decide(s, noon)
	v := j.decide(with(deployed()), noon.Add(20*time.Second))
	cause := j.timeout(v.progress, time.Minute).cause
	require.Equal(t, "waiting for Job/reindex: 1 active, 0 failed after 60s", cause.Message)
	require.Empty(t, cause.Object)
}
