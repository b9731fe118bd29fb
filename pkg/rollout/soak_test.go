package rollout

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// born is a pod that became ready that long ago, and whose container started a
// second before.
func born(ago time.Duration, liveness *corev1.Probe) *corev1.Pod {
	p := alive("web-new", 0)
	now := time.Now()
	p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-ago))
	p.Status.ContainerStatuses[0].State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-ago - time.Second))}
	p.Spec.Containers[0].LivenessProbe = liveness
	return p
}

func TestHold_AnAutomaticSoakLastsUntilTheFirstBudgetOfTheLivenessIsOver(t *testing.T) {
	probe := func(delay, period, threshold int32) *corev1.Probe {
		return &corev1.Probe{InitialDelaySeconds: delay, PeriodSeconds: period, FailureThreshold: threshold, TimeoutSeconds: 1}
	}
	failing := func(p *corev1.Pod) *corev1.Event {
		e := fixture.Event("Pod", p.Name, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500")
		e.LastTimestamp = metav1.NewTime(time.Now().Add(25 * time.Second))
		return e
	}
	for name, c := range map[string]struct {
		pod     func() *corev1.Pod
		event   func(*corev1.Pod) *corev1.Event
		seconds int
	}{
		"no liveness probe": {func() *corev1.Pod { return born(0, nil) }, nil, 10},
		"ready for a while": {func() *corev1.Pod { return born(4*time.Second, nil) }, nil, 6},
		"ready for days":    {func() *corev1.Pod { return born(48*time.Hour, probe(0, 10, 3)) }, nil, 0},
		"a quick probe":     {func() *corev1.Pod { return born(0, probe(0, 2, 1)) }, nil, 10},
		"a budget of 18 s":  {func() *corev1.Pod { return born(0, probe(2, 5, 3)) }, nil, 19},
		"a long budget":     {func() *corev1.Pod { return born(0, probe(0, 10, 6)) }, nil, 30},
		// bitnami/charts, jenkinsci/helm-charts: the first question comes when all others have looked away.
		"a probe that asks late":                  {func() *corev1.Pod { return born(0, probe(60, 10, 6)) }, nil, 72},
		"one that asks too late to wait for it":   {func() *corev1.Pod { return born(0, probe(300, 10, 6)) }, nil, 30},
		"one that asks what readiness has asked":  {func() *corev1.Pod { return asked(born(0, probe(60, 10, 6))) }, nil, 30},
		"one that is less patient":                {func() *corev1.Pod { return hasty(asked(born(0, probe(60, 10, 6)))) }, nil, 72},
		"one that waits for the startup probe":    {func() *corev1.Pod { return started(born(0, probe(0, 40, 6))) }, nil, 43},
		"a limit for what it writes":              {func() *corev1.Pod { return limited(born(0, nil)) }, nil, 30},
		"a long budget of a probe that fails now": {func() *corev1.Pod { return born(0, probe(10, 10, 4)) }, failing, 44},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fixture.Deployed()
				s.Pods = []*corev1.Pod{c.pod()}
				if c.event != nil {
					s.Events = []*corev1.Event{c.event(s.Pods[0])}
				}
				start := time.Now()
				cause, _, err := Hold(t.Context(), Options{Client: fakeCluster(t, s)}, applied, SoakAuto)
				require.NoError(t, err)
				require.Nil(t, cause)
				require.Equal(t, c.seconds, int(time.Since(start).Seconds()))
			})
		})
	}
}

// asked is a pod whose readiness probe asks what its liveness probe will.
func asked(p *corev1.Pod) *corev1.Pod {
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{TimeoutSeconds: 1}
	return p
}

// hasty is one whose readiness may answer later than its liveness.
func hasty(p *corev1.Pod) *corev1.Pod {
	p.Spec.Containers[0].ReadinessProbe.TimeoutSeconds = 5
	return p
}

func started(p *corev1.Pod) *corev1.Pod {
	p.Spec.Containers[0].StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}
	return p
}

func limited(p *corev1.Pod) *corev1.Pod {
	p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("1Gi")}
	return p
}

// evicted is a pod that its node has ended.
func evicted(message string) *corev1.Pod {
	p := born(0, nil)
	p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", message
	p.Status.Conditions[0].Status = corev1.ConditionFalse
	return p
}

func TestHold_WhatEndsSoonAfterItWasReadyIsFound(t *testing.T) {
	sidecar := func(restarts int32) *corev1.Pod {
		p := born(0, nil)
		always := corev1.ContainerRestartPolicyAlways
		p.Spec.InitContainers = []corev1.Container{{Name: "proxy", RestartPolicy: &always}}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "proxy", RestartCount: restarts, State: fixture.Runs, Ready: true}}
		return p
	}
	exited := func() *corev1.Pod {
		p := born(0, nil)
		p.Status.ContainerStatuses[0].RestartCount = 1
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 0, Reason: "Completed"}
		return p
	}
	for name, c := range map[string]struct {
		first, then func() *corev1.Pod
		kill        bool
		message     string
	}{
		"a process that ends well":        {func() *corev1.Pod { return born(0, nil) }, exited, false, "exited with code 0 (Completed)"},
		"a sidecar that is started again": {func() *corev1.Pod { return sidecar(0) }, func() *corev1.Pod { return sidecar(1) }, false, "exited"},
		// concourse/hush-house#8, akash-network/support#275: a pod like this is made and ended for ever.
		"a pod that writes more than it may": {func() *corev1.Pod { return born(0, nil) }, func() *corev1.Pod {
			return evicted("Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ")
		}, false, "exceeds the total limit of containers 2Mi. Its node ended it"},
		"a volume that grows over its limit": {func() *corev1.Pod { return born(0, nil) }, func() *corev1.Pod {
			return evicted(`Usage of EmptyDir volume "cache" exceeds the limit "10Mi". `)
		}, false, `volume "cache"`},
		"a kill that takes its grace time": {func() *corev1.Pod { return born(0, nil) }, nil, true, "it is killed because its liveness probe failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fixture.Deployed()
				s.Pods = []*corev1.Pod{c.first()}
				client := fakeCluster(t, s)
				time.AfterFunc(4*time.Second, func() {
					if c.kill {
						e := fixture.Event("Pod", "web-new", "Killing", "Container web failed liveness probe, will be restarted")
						e.Type, e.LastTimestamp = corev1.EventTypeNormal, metav1.Now()
						_, err := client.CoreV1().Events("portal").Create(context.Background(), e, metav1.CreateOptions{})
						require.NoError(t, err)
						return
					}
					require.NoError(t, put(c.then())(client))
				})
				cause, _, err := Hold(t.Context(), Options{Client: client}, applied, SoakAuto)
				require.NoError(t, err)
				require.NotNil(t, cause)
				require.Equal(t, causes.NotStable, cause.Code)
				require.Contains(t, cause.Message, c.message)
			})
		})
	}
}

// Between a Watch and the Hold after it a container may end and run again.
func TestHold_WhatEndedBetweenTheWatchAndTheHoldCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fixture.Deployed()
		s.Pods = []*corev1.Pod{alive("web-new", 2)}
		client := fakeCluster(t, s)
		o := Options{Client: client, Seen: &judge.Seen{}}
		result, err := Watch(t.Context(), o, applied)
		require.NoError(t, err)
		require.Nil(t, result.Cause)
		require.NoError(t, put(alive("web-new", 3))(client))
		cause, _, err := Hold(t.Context(), o, applied, SoakAuto)
		require.NoError(t, err)
		require.NotNil(t, cause)
		cause, _, err = Hold(t.Context(), Options{Client: client}, applied, SoakAuto)
		require.NoError(t, err)
		require.Nil(t, cause, "restarts from before are of no account")
	})
}

// What shows only after a pod was ready, and keeps nobody from calling it good.
func TestHold_NotesWhatIsNotProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fixture.Deployed()
		p := born(0, &corev1.Probe{PeriodSeconds: 3})
		p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
		s.Pods = []*corev1.Pod{p}
		client := fakeCluster(t, s)
		time.AfterFunc(4*time.Second, func() {
			// kgateway-dev/kgateway#8749: a probe that cannot be run is no failure. Each message is
			// another one, so that the tenth event stands for all of them.
			e := fixture.Event("Pod", "web-new", "Unhealthy", `(combined from similar events): Liveness probe errored and resulted in unknown state: rpc error: code = Unknown desc = failed to start exec "231002": exec: "curl": executable file not found in $PATH`)
			e.LastTimestamp = metav1.Now()
			_, err := client.CoreV1().Events("portal").Create(context.Background(), e, metav1.CreateOptions{})
			require.NoError(t, err)
		})
		cause, notes, err := Hold(t.Context(), Options{Client: client}, applied, SoakAuto)
		require.NoError(t, err)
		require.Nil(t, cause)
		require.Equal(t, []string{`Pod/web-new container web: its liveness probe cannot be run, so that nobody notices when it hangs: exec: "curl": executable file not found in $PATH`}, notes)
	})
}

// helm/helm#7513, fluxcd/flux2#5052, fluxcd/helm-controller#701: nobody waits for the address.
func TestHold_NotesABalancerWithoutAnAddress(t *testing.T) {
	balancer := func(change func(*corev1.Service)) *corev1.Service {
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "portal", Name: "web"}, Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.96.0.9", Selector: map[string]string{"app": "web"}}}
		change(s)
		return s
	}
	warned := fixture.Event("Service", "web", "SyncLoadBalancerFailed", "Error syncing load balancer: no subnet is tagged")
	warned.InvolvedObject.Namespace = "portal"
	const none = "Service/web is of type LoadBalancer and has no address: from outside of the cluster nothing leads to it by that"
	for name, c := range map[string]struct {
		service *corev1.Service
		event   *corev1.Event
		notes   []string
	}{
		"none":                  {balancer(func(*corev1.Service) {}), nil, []string{none + "; no controller has said anything about it"}},
		"none, with its reason": {balancer(func(*corev1.Service) {}), warned, []string{none + ": SyncLoadBalancerFailed: Error syncing load balancer: no subnet is tagged"}},
		"one": {balancer(func(s *corev1.Service) {
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "a.elb.test"}}
		}), nil, nil},
		"its own (helm/helm#7530)": {balancer(func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"192.0.2.7"} }), nil, nil},
		"another type":             {balancer(func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fixture.Deployed()
				s.Pods = []*corev1.Pod{born(time.Hour, nil)}
				client := fakeCluster(t, s)
				_, err := client.CoreV1().Services("portal").Create(t.Context(), c.service, metav1.CreateOptions{})
				require.NoError(t, err)
				if c.event != nil {
					_, err := client.CoreV1().Events("portal").Create(t.Context(), c.event, metav1.CreateOptions{})
					require.NoError(t, err)
				}
				with := applied
				with.Services = []record.Service{{Name: "web"}}
				cause, notes, err := Hold(t.Context(), Options{Client: client, Namespace: "portal"}, with, SoakAuto)
				require.NoError(t, err)
				require.Nil(t, cause)
				require.Equal(t, c.notes, notes)
			})
		})
	}
}
