package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func claimed(phase corev1.PersistentVolumeClaimPhase) (*corev1.Pod, []*corev1.PersistentVolumeClaim) {
	p := fixture.With(fixture.Pod("web-new", "new", false), corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "pod has unbound immediate PersistentVolumeClaims")
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	return p, []*corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "portal"}, Status: corev1.PersistentVolumeClaimStatus{Phase: phase}}}
}

// The rows of facts sections 3.2 and 3.3: what a pod shows.
func TestFailuresByWhatAPodShows(t *testing.T) {
	scheduling := func(reason, message string, events ...*corev1.Event) func(*cluster.Snapshot) {
		return func(s *cluster.Snapshot) {
			s.Pods = append(s.Pods, fixture.With(fixture.Pod("web-new", "new", false), corev1.PodScheduled, corev1.ConditionFalse, reason, message))
			s.Events = events
		}
	}
	volume := func(e *corev1.Event) func(*cluster.Snapshot) {
		return func(s *cluster.Snapshot) {
			s.Pods, s.Events = append(s.Pods, fixture.CreatingPod()), []*corev1.Event{e}
		}
	}
	claim := func(phase corev1.PersistentVolumeClaimPhase, reason string) func(*cluster.Snapshot) {
		return func(s *cluster.Snapshot) {
			p, claims := claimed(phase)
			s.Pods, s.Claims = append(s.Pods, p), claims
			s.Events = []*corev1.Event{fixture.Event("PersistentVolumeClaim", "data", reason, "no storage class")}
		}
	}
	cases := map[string]struct {
		change  func(*cluster.Snapshot)
		seconds int    // -1: never
		code    string // of the failure, or of what a timeout names
		object  string
	}{
		"no node has room":            {scheduling("Unschedulable", "0/1 nodes"), 120, causes.Unschedulable, "Pod/web-new"},
		"the autoscaler makes a node": {scheduling("Unschedulable", "0/1 nodes", fixture.Event("Pod", "web-new", "TriggerScaleUp", "1->2")), -1, causes.ScalingUp, "Pod/web-new"},
		"Karpenter makes a node":      {scheduling("Unschedulable", "0/1 nodes", fixture.Event("Pod", "web-new", "Nominated", "on nodeclaim/a")), -1, causes.ScalingUp, "Pod/web-new"},
		"the autoscaler cannot help":  {scheduling("Unschedulable", "0/1 nodes", fixture.Event("Pod", "web-new", "NotTriggerScaleUp", "max size reached")), 15, causes.NoScaleUp, "Pod/web-new"},
		"no node is apart enough":     {scheduling("Unschedulable", "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."), 30, causes.NoNodeFits, "Pod/web-new"}, // kubernetes/kubernetes#116891
		// kubernetes/kubernetes#109714, TEAMSchools/teamster#5187
		"a pod of a higher priority has its place": {func(s *cluster.Snapshot) { s.Pods, s.Events = preempted()[0].Pods, preempted()[0].Events }, 120, causes.Preempted, "Pod/web-new-b"},
		"it had the place of another workload's": {func(s *cluster.Snapshot) {
			s.Pods, s.Events = preempted()[0].Pods, preempted()[0].Events
			s.Events[0].InvolvedObject.Name = "worker-a"
		}, 120, causes.Unschedulable, "Pod/web-new-b"},
		"one that starts makes room": {func(s *cluster.Snapshot) { // zalando/postgres-operator#1600
			scheduling("Unschedulable", "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.", fixture.Event("Pod", "web-new", "NotTriggerScaleUp", "max size reached"))(s)
			s.Pods = append(s.Pods, fixture.Pod("web-slow", "new", false, fixture.Running(0)))
		}, -1, causes.NoScaleUp, "Pod/web-new"},
		"a claim that is not there":       {scheduling("Unschedulable", `persistentvolumeclaim "data" not found`), 30, causes.ClaimPending, "Pod/web-new"},
		"the scheduler broke":             {scheduling("SchedulerError", "binding rejected"), 30, causes.SchedulerError, "Pod/web-new"},
		"somebody holds the pod back":     {scheduling("SchedulingGated", "gated"), -1, causes.SchedulingGated, "Pod/web-new"},
		"a missing ConfigMap as a volume": {volume(fixture.Event("Pod", "web-new", "FailedMount", `MountVolume.SetUp failed: configmap "c" not found`)), 30, causes.VolumeSourceMissing, "Pod/web-new"},
		"a missing key in a volume":       {volume(fixture.Event("Pod", "web-new", "FailedMount", `references non-existent secret key: x`)), 30, causes.VolumeSourceMissing, "Pod/web-new"},
		"a volume on another node":        {volume(fixture.Event("Pod", "web-new", "FailedAttachVolume", "Multi-Attach error")), 120, causes.MountFailed, "Pod/web-new"},
		"a host's path of another type":   {volume(fixture.Event("Pod", "web-new", "FailedMount", `MountVolume.SetUp failed for volume "h" : hostPath type check failed: /data is not a directory`)), 10, causes.HostPathDiffers, "Pod/web-new"},    // kubernetes/kubernetes#90263, opea-project/GenAIInfra#1040
		"a driver's socket that comes":    {volume(fixture.Event("Pod", "web-new", "FailedMount", `MountVolume.SetUp failed for volume "s" : hostPath type check failed: /csi.sock is not a socket file`)), 120, causes.MountFailed, "Pod/web-new"}, // kubernetes-sigs/kind#1002
		"a claim that the old pod has":    {func(s *cluster.Snapshot) { s.Pods = claimInUse().Pods }, 15, causes.ClaimInUse, "Pod/web-new"},                                                                                                         // kubernetes/kubernetes#26567, helmforgedev/charts#1294
		"a claim that a going pod has":    {func(s *cluster.Snapshot) { s.Pods = claimInUse().Pods; going(s.Pods[1]) }, 180, causes.Unschedulable, "Pod/web-new"},
		"the kubelet's cache lags":        {volume(aboutPod("FailedMount", "failed to sync configmap cache: timed out")), -1, causes.Warned, "Pod/web-new"},
		"no network for the pod":          {volume(fixture.Event("Pod", "web-new", "FailedCreatePodSandBox", "cni plugin not initialized")), 60, causes.SandboxFailed, "Pod/web-new"},
		"a claim that nobody serves":      {claim(corev1.ClaimPending, "FailedBinding"), 30, causes.ClaimPending, "PersistentVolumeClaim/data"},
		"a claim whose storage fails":     {claim(corev1.ClaimPending, "ProvisioningFailed"), 30, causes.ClaimPending, "PersistentVolumeClaim/data"},
		"a claim that waits for its pod":  {claim(corev1.ClaimPending, "WaitForFirstConsumer"), -1, causes.ClaimWaiting, "PersistentVolumeClaim/data"},
		"a claim that a driver works on":  {claim(corev1.ClaimPending, "ExternalProvisioning"), -1, causes.ClaimWaiting, "PersistentVolumeClaim/data"},
		"a claim that is bound by now":    {claim(corev1.ClaimBound, "ProvisioningFailed"), 120, causes.Unschedulable, "Pod/web-new"},
		"an evicted pod is replaced": {func(s *cluster.Snapshot) {
			p := fixture.CreatingPod()
			p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
			s.Pods = append(s.Pods, p)
		}, -1, causes.PodReplaced, "Pod/web-new"},
		"a pod that has to go": {func(s *cluster.Snapshot) {
			s.Pods = append(s.Pods, fixture.With(fixture.CreatingPod(), corev1.DisruptionTarget, corev1.ConditionTrue, "PreemptionByScheduler", "x"))
		}, -1, causes.PodReplaced, "Pod/web-new"},
		"a node that is lost": {func(s *cluster.Snapshot) { s.Pods = append(s.Pods, cutOff()) }, -1, causes.NodeLost, "Pod/web-new"},
		"a node that is lost, with the pod's gates open": {func(s *cluster.Snapshot) {
			p := fixture.With(cutOff(), "lb", corev1.ConditionTrue, "", "")
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "lb"}}
			s.Pods = append(s.Pods, p)
		}, -1, causes.NodeLost, "Pod/web-new"},
		// kubernetes/kubernetes#89212: what is not ready yet does not show it.
		"a node that is lost while the pod starts": {func(s *cluster.Snapshot) {
			p, old := fixture.Pod("web-new", "new", false, fixture.Running(0)), fixture.With(fixture.Pod("web-old", "old", false), corev1.ContainersReady, corev1.ConditionTrue, "", "")
			p.Spec.NodeName, old.Spec.NodeName = "n", "n"
			s.Pods = []*corev1.Pod{old, p}
		}, -1, causes.NodeLost, "Pod/web-new"},
		"a readiness gate that nobody opens": {func(s *cluster.Snapshot) {
			p := fixture.With(fixture.Pod("web-new", "new", false), corev1.ContainersReady, corev1.ConditionTrue, "", "")
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "lb"}}
			s.Pods = append(s.Pods, p)
		}, -1, causes.ReadinessGate, "Pod/web-new"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deploying()
			c.change(&s)
			seconds, cause := after(s, 400)
			require.Equal(t, c.seconds, seconds)
			if cause == nil {
				worst := New(nil)
				worst.Decide(s, fixture.Noon)
				named := timedOut(s)
				require.Equal(t, c.object, named.Object)
				if c.code != causes.Timeout {
					require.Equal(t, c.code, worst.memory.inSight(fixture.Noon)[0].Cause.Code)
				}
				return
			}
			require.Equal(t, c.code, cause.Code)
			require.Equal(t, c.object, cause.Object)
		})
	}
}

func TestAnOldMountFailureDoesNotBlameASlowPull(t *testing.T) {
	s := fixture.Deploying(fixture.With(fixture.CreatingPod(), corev1.PodReadyToStartContainers, corev1.ConditionTrue, "", ""))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "FailedMount", `secret "x" not found`)}
	seconds, _ := after(s, 400)
	require.Equal(t, -1, seconds)
}

func TestATimeoutNamesTheProbeAndItsWords(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")}
	require.Equal(t, record.Cause{Code: causes.Timeout, Object: "Pod/web-new", Container: "web", Reason: "Unhealthy",
		Message: "waiting for Deployment/web: 0 of 1 new pods ready, 1 old after 90s: Readiness probe failed: HTTP probe failed with statuscode: 503"}, timedOut(s))
}

func TestAProbesKillIsNamedWithItsWords(t *testing.T) {
	killed := func(restarts int32) cluster.Snapshot {
		c := fixture.Running(restarts)
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error",
			StartedAt: metav1.NewTime(fixture.Noon.Add(-time.Minute)), FinishedAt: metav1.NewTime(fixture.Noon)}
		s := fixture.Deploying(fixture.Pod("web-new", "new", false, c))
		s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", "Startup probe failed: connection refused"),
			fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed: another one"),
			fixture.Event("Pod", "web-new", "Killing", "Container web failed startup probe, will be restarted")}
		return s
	}
	judge := func(s cluster.Snapshot, first cluster.Snapshot) *detect.Trouble {
		j := New(nil)
		j.Decide(first, fixture.Noon)
		return j.Decide(s, fixture.Noon.Add(time.Second)).Failed
	}
	start := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
	require.Nil(t, judge(killed(1), start), "one more try is granted")
	cause := judge(killed(2), start).Cause
	require.Equal(t, causes.StartupProbeFailed, cause.Code)
	require.Equal(t, "exited 2 times, last with code 137 (SIGKILL) after 1m0s; it was killed because its startup probe failed: Startup probe failed: connection refused", cause.Message)

	liveness := killed(3)
	liveness.Events[2].Message = "Container web failed liveness probe, will be restarted"
	require.Equal(t, causes.LivenessProbeFailed, judge(liveness, start).Cause.Code)

	earlier := killed(3)
	earlier.Events[2].LastTimestamp = metav1.NewTime(fixture.Noon.Add(-time.Hour))
	require.Equal(t, causes.CrashLoop, judge(earlier, start).Cause.Code, "a kill of another run")
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
		"five restarts last month, not ready for a moment": {fixture.Running(5), fixture.Running(5), false},
		"five restarts last month and one now":             {fixture.Running(5), with(over, 5), false},
		"five restarts last month and three now":           {fixture.Running(5), with(over, 7), true},
		"in a crash loop when the watch begins":            {fixture.Crashed(5, 1, "Error"), fixture.Crashed(5, 1, "Error"), true},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(nil)
			j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, c.first)), fixture.Noon)
			failed := j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, c.later)), fixture.Noon.Add(time.Second)).Failed
			require.Equal(t, c.fails, failed != nil)
		})
	}
}

func TestAPodThatLosesItsReadinessHasToStayReadyBeforeItCounts(t *testing.T) {
	j := New(nil)
	look := func(second int, ready bool) Verdict {
		s := fixture.Deployed()
		if !ready {
			s.Pods = []*corev1.Pod{fixture.Pod("web-new", "new", false, fixture.Running(0))}
		}
		s.Deployments[0].Status.AvailableReplicas = 1 // its controller sees each moment of readiness
		return j.Decide(s, fixture.Noon.Add(time.Duration(second)*time.Second))
	}
	require.False(t, look(0, false).Ready)
	for _, second := range []int{1, 3, 5} {
		look(second, true)
		look(second+1, false)
	}
	v := look(7, true)
	require.False(t, v.Ready, "three times lost")
	require.Equal(t, settleTime, v.Again)
	require.Contains(t, j.Timeout(v.Progress, time.Minute).Cause.Message, "lost its readiness 3 times")
	require.False(t, look(21, true).Ready)
	require.True(t, look(22, true).Ready)
}

func TestWithoutAReadinessProbeAContainerHasToRunForAWhile(t *testing.T) {
	look := func(j *Judge, second int, restarts int32, probe *corev1.Probe, started time.Time) Verdict {
		s := fixture.Deployed()
		s.Pods[0].Spec.Containers[0].ReadinessProbe = probe
		c := fixture.Running(restarts)
		c.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}
		s.Pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{c}
		return j.Decide(s, fixture.Noon.Add(time.Duration(second)*time.Second))
	}
	require.True(t, look(New(nil), 0, 0, &corev1.Probe{}, fixture.Noon).Ready, "a probe vouches for it")
	require.True(t, look(New(nil), 0, 0, nil, fixture.Noon.Add(-time.Hour)).Ready, "it runs since an hour")
	for name, started := range map[string]time.Time{"its node's clock is right": fixture.Noon, "its node's clock leads": fixture.Noon.Add(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			j := New(nil)
			require.Equal(t, minRunTime, look(j, 0, 0, nil, started).Again)
			require.False(t, look(j, 4, 0, nil, started).Ready)
			require.False(t, look(j, 6, 1, nil, started.Add(6*time.Second)).Ready, "a restart begins anew")
			require.True(t, look(j, 11, 1, nil, started.Add(6*time.Second)).Ready)
		})
	}
}

func TestAProbeThatFailedBeforeTheContainerWasStartedAnewIsOld(t *testing.T) {
	c := fixture.Running(1)
	c.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(fixture.Noon.Add(time.Minute))}
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, c))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed")}
	require.NotContains(t, timedOut(s).Message, "Readiness probe failed")
}

func going(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: fixture.Noon} }

// An evicted pod from before the watch says nothing about what is judged.
func TestWhatWasEvictedBeforeIsNoFailure(t *testing.T) {
	looks := evicting()
	v := New(nil).Decide(looks[1], fixture.Noon.Add(time.Minute))
	require.Nil(t, v.Failed)
	j := New(nil)
	j.Decide(looks[0], fixture.Noon)
	require.Equal(t, causes.StorageExceeded, j.Decide(looks[1], fixture.Noon.Add(time.Minute)).Failed.Cause.Code)
}

// StatefulSets and DaemonSets remove such a pod at once; the event is what is left of it.
func TestAnEvictedPodThatIsGoneAlreadyIsAFailure(t *testing.T) {
	looks := evicting()
	j := New(nil)
	j.Decide(looks[0], fixture.Noon)
	looks[1].Pods = looks[1].Pods[1:]
	looks[1].Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Evicted", `Usage of EmptyDir volume "cache" exceeds the limit "10Mi". `)}
	require.Equal(t, causes.StorageExceeded, j.Decide(looks[1], fixture.Noon.Add(time.Minute)).Failed.Cause.Code)
	looks[1].Events[0].Message = "The node was low on resource: memory. "
	j = New(nil)
	j.Decide(looks[0], fixture.Noon)
	require.Nil(t, j.Decide(looks[1], fixture.Noon.Add(time.Minute)).Failed, "the node's trouble, not the pod's")
}
