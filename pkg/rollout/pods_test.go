package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// creatingPod has a node and waits for its containers.
func creatingPod() *corev1.Pod { return pod("web-new", "new", false, waiting("ContainerCreating", "")) }

func claimed(phase corev1.PersistentVolumeClaimPhase) (*corev1.Pod, []*corev1.PersistentVolumeClaim) {
	p := with(pod("web-new", "new", false), corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "pod has unbound immediate PersistentVolumeClaims")
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	return p, []*corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "portal"}, Status: corev1.PersistentVolumeClaimStatus{Phase: phase}}}
}

// The rows of facts sections 3.2 and 3.3: what a pod shows.
func TestFailuresByWhatAPodShows(t *testing.T) {
	scheduling := func(reason, message string, events ...*corev1.Event) func(*snapshot) {
		return func(s *snapshot) {
			s.pods = append(s.pods, with(pod("web-new", "new", false), corev1.PodScheduled, corev1.ConditionFalse, reason, message))
			s.events = events
		}
	}
	volume := func(e *corev1.Event) func(*snapshot) {
		return func(s *snapshot) { s.pods, s.events = append(s.pods, creatingPod()), []*corev1.Event{e} }
	}
	claim := func(phase corev1.PersistentVolumeClaimPhase, reason string) func(*snapshot) {
		return func(s *snapshot) {
			p, claims := claimed(phase)
			s.pods, s.claims = append(s.pods, p), claims
			s.events = []*corev1.Event{event("PersistentVolumeClaim", "data", reason, "no storage class")}
		}
	}
	cases := map[string]struct {
		change  func(*snapshot)
		seconds int    // -1: never
		code    string // of the failure, or of what a timeout names
		object  string
	}{
		"no node has room":                {scheduling("Unschedulable", "0/1 nodes"), 120, codeUnschedulable, "Pod/web-new"},
		"the autoscaler makes a node":     {scheduling("Unschedulable", "0/1 nodes", event("Pod", "web-new", "TriggerScaleUp", "1->2")), -1, codeScaleUp, "Pod/web-new"},
		"Karpenter makes a node":          {scheduling("Unschedulable", "0/1 nodes", event("Pod", "web-new", "Nominated", "on nodeclaim/a")), -1, codeScaleUp, "Pod/web-new"},
		"the autoscaler cannot help":      {scheduling("Unschedulable", "0/1 nodes", event("Pod", "web-new", "NotTriggerScaleUp", "max size reached")), 15, codeNoScaleUp, "Pod/web-new"},
		"a claim that is not there":       {scheduling("Unschedulable", `persistentvolumeclaim "data" not found`), 30, codeClaim, "Pod/web-new"},
		"the scheduler broke":             {scheduling("SchedulerError", "binding rejected"), 30, codeScheduler, "Pod/web-new"},
		"somebody holds the pod back":     {scheduling("SchedulingGated", "gated"), -1, codeGated, "Pod/web-new"},
		"a missing ConfigMap as a volume": {volume(event("Pod", "web-new", "FailedMount", `MountVolume.SetUp failed: configmap "c" not found`)), 30, codeVolumeSource, "Pod/web-new"},
		"a missing key in a volume":       {volume(event("Pod", "web-new", "FailedMount", `references non-existent secret key: x`)), 30, codeVolumeSource, "Pod/web-new"},
		"a volume on another node":        {volume(event("Pod", "web-new", "FailedAttachVolume", "Multi-Attach error")), 120, codeMount, "Pod/web-new"},
		"the kubelet's cache lags":        {volume(event("Pod", "web-new", "FailedMount", "failed to sync configmap cache: timed out")), -1, codeTimeout, ""},
		"no network for the pod":          {volume(event("Pod", "web-new", "FailedCreatePodSandBox", "cni plugin not initialized")), 60, codeSandbox, "Pod/web-new"},
		"a claim that nobody serves":      {claim(corev1.ClaimPending, "FailedBinding"), 30, codeClaim, "PersistentVolumeClaim/data"},
		"a claim whose storage fails":     {claim(corev1.ClaimPending, "ProvisioningFailed"), 30, codeClaim, "PersistentVolumeClaim/data"},
		"a claim that waits for its pod":  {claim(corev1.ClaimPending, "WaitForFirstConsumer"), -1, codeClaimWait, "PersistentVolumeClaim/data"},
		"a claim that a driver works on":  {claim(corev1.ClaimPending, "ExternalProvisioning"), -1, codeClaimWait, "PersistentVolumeClaim/data"},
		"a claim that is bound by now":    {claim(corev1.ClaimBound, "ProvisioningFailed"), 120, codeUnschedulable, "Pod/web-new"},
		"an evicted pod is replaced": {func(s *snapshot) {
			p := creatingPod()
			p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
			s.pods = append(s.pods, p)
		}, -1, codeEvicted, "Pod/web-new"},
		"a pod that has to go": {func(s *snapshot) {
			s.pods = append(s.pods, with(creatingPod(), corev1.DisruptionTarget, corev1.ConditionTrue, "PreemptionByScheduler", "x"))
		}, -1, codeEvicted, "Pod/web-new"},
		"a node that is lost": {func(s *snapshot) {
			p := creatingPod()
			p.Status.Conditions[0].Status = corev1.ConditionUnknown
			s.pods = append(s.pods, p)
		}, -1, codeNode, "Pod/web-new"},
		"a readiness gate that nobody opens": {func(s *snapshot) {
			p := with(pod("web-new", "new", false), corev1.ContainersReady, corev1.ConditionTrue, "", "")
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "lb"}}
			s.pods = append(s.pods, p)
		}, -1, codeGate, "Pod/web-new"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := deploying()
			c.change(&s)
			seconds, cause := after(s, 400)
			require.Equal(t, c.seconds, seconds)
			if cause == nil {
				worst := newJudge(nil)
				worst.decide(s, noon)
				named := timedOut(s)
				require.Equal(t, c.object, named.Object)
				if c.code != codeTimeout {
					require.Equal(t, c.code, worst.memory.inSight(noon)[0].cause.Code)
				}
				return
			}
			require.Equal(t, c.code, cause.Code)
			require.Equal(t, c.object, cause.Object)
		})
	}
}

func TestAnOldMountFailureDoesNotBlameASlowPull(t *testing.T) {
	s := deploying(with(creatingPod(), corev1.PodReadyToStartContainers, corev1.ConditionTrue, "", ""))
	s.events = []*corev1.Event{event("Pod", "web-new", "FailedMount", `secret "x" not found`)}
	seconds, _ := after(s, 400)
	require.Equal(t, -1, seconds)
}

func TestATimeoutNamesTheProbeAndItsWords(t *testing.T) {
	s := deploying(pod("web-new", "new", false, running(0)))
	s.events = []*corev1.Event{event("Pod", "web-new", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")}
	require.Equal(t, record.Cause{Code: codeTimeout, Object: "Pod/web-new", Container: "web", Reason: "Unhealthy",
		Message: "waiting for Deployment/web: 0 of 1 new pods ready, 1 old after 90s: Readiness probe failed: HTTP probe failed with statuscode: 503"}, timedOut(s))
}

func TestAProbesKillIsNamedWithItsWords(t *testing.T) {
	killed := func(restarts int32) snapshot {
		c := running(restarts)
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error",
			StartedAt: metav1.NewTime(noon.Add(-time.Minute)), FinishedAt: metav1.NewTime(noon)}
		s := deploying(pod("web-new", "new", false, c))
		s.events = []*corev1.Event{event("Pod", "web-new", "Unhealthy", "Startup probe failed: connection refused"),
			event("Pod", "web-new", "Unhealthy", "Readiness probe failed: another one"),
			event("Pod", "web-new", "Killing", "Container web failed startup probe, will be restarted")}
		return s
	}
	judge := func(s snapshot, first snapshot) *trouble {
		j := newJudge(nil)
		j.decide(first, noon)
		return j.decide(s, noon.Add(time.Second)).failed
	}
	start := deploying(pod("web-new", "new", false, running(0)))
	require.Nil(t, judge(killed(1), start), "one more try is granted")
	cause := judge(killed(2), start).cause
	require.Equal(t, codeStartupProbe, cause.Code)
	require.Equal(t, "exited 2 times, last with code 137 (SIGKILL) after 1m0s; it was killed because its startup probe failed: Startup probe failed: connection refused", cause.Message)

	liveness := killed(3)
	liveness.events[2].Message = "Container web failed liveness probe, will be restarted"
	require.Equal(t, codeLivenessProbe, judge(liveness, start).cause.Code)

	earlier := killed(3)
	earlier.events[2].LastTimestamp = metav1.NewTime(noon.Add(-time.Hour))
	require.Equal(t, codeCrash, judge(earlier, start).cause.Code, "a kill of another run")
}

func TestRestartsBeforeTheWatchDoNotCount(t *testing.T) {
	over := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}
	with := func(c corev1.ContainerStatus, restarts int32) corev1.ContainerStatus {
		c.RestartCount = restarts
		return c
	}
	for name, c := range map[string]struct {
		first, later corev1.ContainerStatus
		fails        bool
	}{
		"five restarts last month, not ready for a moment": {running(5), running(5), false},
		"five restarts last month and one now":             {running(5), with(over, 5), false},
		"five restarts last month and three now":           {running(5), with(over, 7), true},
		"in a crash loop when the watch begins":            {crashed(5, 1, "Error"), crashed(5, 1, "Error"), true},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudge(nil)
			j.decide(deploying(pod("web-new", "new", false, c.first)), noon)
			failed := j.decide(deploying(pod("web-new", "new", false, c.later)), noon.Add(time.Second)).failed
			require.Equal(t, c.fails, failed != nil)
		})
	}
}

func TestAPodThatLosesItsReadinessHasToStayReadyBeforeItCounts(t *testing.T) {
	j := newJudge(nil)
	look := func(second int, ready bool) verdict {
		s := deployed()
		if !ready {
			s.pods = []*corev1.Pod{pod("web-new", "new", false, running(0))}
		}
		s.deployments[0].Status.AvailableReplicas = 1 // its controller sees each moment of readiness
		return j.decide(s, noon.Add(time.Duration(second)*time.Second))
	}
	require.False(t, look(0, false).ready)
	for _, second := range []int{1, 3, 5} {
		look(second, true)
		look(second+1, false)
	}
	v := look(7, true)
	require.False(t, v.ready, "three times lost")
	require.Equal(t, settleTime, v.again)
	require.Contains(t, j.timeout(v.progress, time.Minute).cause.Message, "lost its readiness 3 times")
	require.False(t, look(21, true).ready)
	require.True(t, look(22, true).ready)
}

func TestWithoutAReadinessProbeAContainerHasToRunForAWhile(t *testing.T) {
	look := func(j *judge, second int, restarts int32, probe *corev1.Probe, started time.Time) verdict {
		s := deployed()
		s.pods[0].Spec.Containers[0].ReadinessProbe = probe
		c := running(restarts)
		c.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}
		s.pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{c}
		return j.decide(s, noon.Add(time.Duration(second)*time.Second))
	}
	require.True(t, look(newJudge(nil), 0, 0, &corev1.Probe{}, noon).ready, "a probe vouches for it")
	require.True(t, look(newJudge(nil), 0, 0, nil, noon.Add(-time.Hour)).ready, "it runs since an hour")
	for name, started := range map[string]time.Time{"its node's clock is right": noon, "its node's clock leads": noon.Add(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			j := newJudge(nil)
			require.Equal(t, minRunTime, look(j, 0, 0, nil, started).again)
			require.False(t, look(j, 4, 0, nil, started).ready)
			require.False(t, look(j, 6, 1, nil, started.Add(6*time.Second)).ready, "a restart begins anew")
			require.True(t, look(j, 11, 1, nil, started.Add(6*time.Second)).ready)
		})
	}
}

func TestAProbeThatFailedBeforeTheContainerWasStartedAnewIsOld(t *testing.T) {
	c := running(1)
	c.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon.Add(time.Minute))}
	s := deploying(pod("web-new", "new", false, c))
	s.events = []*corev1.Event{event("Pod", "web-new", "Unhealthy", "Readiness probe failed")}
	require.NotContains(t, timedOut(s).Message, "Readiness probe failed")
}
