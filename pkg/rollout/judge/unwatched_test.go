package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// kgateway-dev/kgateway#8749, grafana/alloy#4226, subfuzion/voting-app#11: a probe that cannot be
// run counts for nothing, so that the container is neither ready nor ever killed.
func TestAProbeWhoseProgramTheImageDoesNotHave(t *testing.T) {
	for kind, code := range map[string]string{"Readiness": causes.ProbeNotRunnable, "Startup": causes.ProbeNotRunnable, "Liveness": ""} {
		s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
		s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", errored(kind))}
		seconds, cause := after(s, 400)
		if code == "" {
			require.Equal(t, -1, seconds)
			continue
		}
		require.Equal(t, 10, seconds, kind)
		require.Equal(t, code, cause.Code)
		require.Contains(t, cause.Message, `probe cannot be run, so that it never passes: exec: "curl": executable file not found in $PATH`)
	}
	// What merely fails has its budget.
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed: /bin/sh: curl: not found")}
	seconds, _ := after(s, 400)
	require.Equal(t, -1, seconds)
}

func TestALivenessProbeThatCannotBeRunIsTold(t *testing.T) {
	s := fixture.Deployed()
	s.Pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{fixture.Running(0)}
	s.Pods[0].Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", errored("Liveness"))}
	look := New(nil).Decide(s, fixture.Noon)
	require.True(t, look.Ready)
	require.Len(t, look.Notes, 1)
	require.Contains(t, look.Notes[0], `Pod/web-new container web: its liveness probe cannot be run, so that nobody notices when it hangs: exec: "curl"`)
}

// nextcloud/helm#144, nextcloud/helm#24, helm/charts#12884, redpanda-data/helm-charts#749
func TestAServiceThatAlsoLeadsToPodsOfOthersIsTold(t *testing.T) {
	s := fixture.Deployed()
	slice := fixture.Serving("web-new", "stranger")
	slice.Ports = []discoveryv1.EndpointPort{{}}
	slice.Endpoints[1].TargetRef.Name = "other-7b5f"
	s.Slices = []*discoveryv1.EndpointSlice{slice}
	s.Services = []cluster.Service{{Namespace: "portal", Name: "web", Selector: labels.SelectorFromSet(labels.Set{"app": "web"}), Ports: []corev1.ServicePort{fixture.Port("", 80, 7007)}}}
	look := New(nil).Decide(s, fixture.Noon)
	require.True(t, look.Ready)
	require.Equal(t, []string{"Service/web: port 80 also leads to Pod/other-7b5f, which no workload of the release has made: its selector app=web is that pod's, too"}, look.Notes)
}

// kubernetes/website#14056, kubernetes/website#36424: Kubernetes' own scheduler comes back.
func TestAPodThatNoSchedulerLooksAt(t *testing.T) {
	seconds, cause := after(fixture.Deploying(unseenPod("volcano")), 400)
	require.Equal(t, 60, seconds)
	require.Contains(t, cause.Message, "its schedulerName is volcano")
	seconds, _ = after(fixture.Deploying(unseenPod("")), 400)
	require.Equal(t, -1, seconds)
	require.Contains(t, timedOut(fixture.Deploying(unseenPod(""))).Message, "no scheduler has looked for a node for it: its schedulerName is default-scheduler")
}

// A container without a probe is "ready" for the instant in which it runs: that is no sign
// that the revision works elsewhere, and one node is to blame.
func TestAPodThatWasReadyForAnInstantVouchesForNoOther(t *testing.T) {
	j := New(nil)
	now := fixture.Noon
	p := fixture.Pod("web-new", "new", true, fixture.Running(0))
	p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now)}
	j.Decide(fixture.Deploying(p), now)
	other := fixture.Pod("web-b", "new", false, fixture.Crashed(3, 0, "Completed"))
	look := j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(3, 0, "Completed")), other), now.Add(time.Second))
	require.NotNil(t, look.Failed)
	require.Equal(t, causes.CrashLoop, look.Failed.Cause.Code)
}

// kubernetes/kubernetes#29229: a node's clock that leads or lags by minutes.
func TestSoakLeft_CountsByOurClockWhatALookHasSeen(t *testing.T) {
	for name, skew := range map[string]time.Duration{"the same": 0, "behind": -10 * time.Minute, "ahead": 10 * time.Minute} {
		j, seen := New(nil), &Seen{}
		now := fixture.Noon.Add(time.Minute)
		s := func(ready bool) cluster.Snapshot {
			s := fixture.Deployed()
			p := fixture.Pod("web-new", "new", ready, fixture.Running(0))
			p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
			p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(skew))
			s.Pods = []*corev1.Pod{p}
			return s
		}
		j.Decide(s(false), now.Add(-time.Second))
		look := j.Decide(s(true), now)
		require.True(t, look.Ready)
		require.Equal(t, leastSoak, j.SoakLeft(s(true), look), name)
		seen.Keep(j, look)
		held := New(nil)
		NewHold(held, seen)
		look = held.Decide(s(true), now.Add(4*time.Second))
		require.Equal(t, leastSoak-4*time.Second, held.SoakLeft(s(true), look), name)
	}
}
