package rollout

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// cluster puts the objects of a look into client-go's fake API server.
func cluster(t *testing.T, s snapshot) *fake.Clientset {
	t.Helper()
	client := fake.NewClientset()
	for _, d := range s.deployments {
		require.NoError(t, client.Tracker().Add(d))
	}
	for _, rs := range s.replicaSets {
		require.NoError(t, client.Tracker().Add(rs))
	}
	for _, p := range s.pods {
		require.NoError(t, client.Tracker().Add(p))
	}
	for _, e := range s.events {
		require.NoError(t, client.Tracker().Add(e))
	}
	return client
}

var applied = record.Applied{Workloads: []record.Workload{web}}

// begun starts to watch and gives where the result will be.
func begun(ctx context.Context, t *testing.T, o Options, what record.Applied) chan record.Rollout {
	t.Helper()
	done := make(chan record.Rollout, 1)
	go func() {
		result, err := Watch(ctx, o, what)
		if err != nil {
			result.Cause = &record.Cause{Message: err.Error()}
		}
		done <- result
	}()
	return done
}

func TestWatchSeesAChangeAndEnds(t *testing.T) {
	client := cluster(t, deploying(pod("web-new", "new", false)))
	done := begun(t.Context(), t, Options{Client: client}, applied)
	_, err := client.CoreV1().Pods("portal").UpdateStatus(t.Context(), pod("web-new", "new", true), metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = client.AppsV1().Deployments("portal").UpdateStatus(t.Context(), deployed().deployments[0], metav1.UpdateOptions{})
	require.NoError(t, err)
	result := <-done
	require.Nil(t, result.Cause)
	require.Equal(t, "web-new", result.Pods[0].Name)
}

func TestWatchNamesTheCause(t *testing.T) {
	s := deploying(pod("web-new", "new", false, waiting("InvalidImageName", "bad")))
	unqualified := record.Applied{Workloads: []record.Workload{{Kind: "Deployment", Name: "web"}}}
	result, err := Watch(t.Context(), Options{Client: cluster(t, s), Namespace: "portal"}, unqualified)
	require.NoError(t, err)
	require.Equal(t, codeInvalidName, result.Cause.Code)
}

func TestASignalEndsTheWaitWithoutAVerdict(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := Watch(ctx, Options{Client: cluster(t, deploying(pod("web-new", "new", false)))}, applied)
	require.ErrorIs(t, err, context.Canceled)
}

// helm/helm#3275: somebody has deleted it. That is an answer, not an error.
func TestWatch_AWorkloadThatIsNotThereIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result, err := Watch(t.Context(), Options{Client: fake.NewClientset()}, applied)
		require.NoError(t, err)
		require.Equal(t, record.Cause{Code: codeDeleted, Object: "Deployment/web", Reason: "NotFound", Message: "somebody has deleted it"}, *result.Cause)
	})
}

func TestWatch_AWorkloadThatAppearsIsWatchedFromThenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		time.AfterFunc(5*time.Second, func() {
			s := deployed()
			for _, o := range []runtime.Object{s.replicaSets[1], s.pods[0]} {
				require.NoError(t, client.Tracker().Add(o))
			}
			_, err := client.AppsV1().Deployments("portal").Create(t.Context(), s.deployments[0], metav1.CreateOptions{})
			require.NoError(t, err)
		})
		result, err := Watch(t.Context(), Options{Client: client}, applied)
		require.NoError(t, err)
		require.Nil(t, result.Cause)
		require.Len(t, result.Pods, 1)
	})
}

// helm/helm#10576, haproxytech/helm-charts#213, grafana/oncall#841
func TestWatch_AJobThatKubernetesHasRemovedIsComplete(t *testing.T) {
	job := record.Workload{Kind: "Job", Namespace: "portal", Name: "migrate", Expires: true}
	began := record.Revision{Deployed: noon}
	failed := event("Job", "migrate", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
	before := event("Job", "migrate", "BackoffLimitExceeded", "x")
	before.LastTimestamp = metav1.NewTime(noon.Add(-time.Minute))
	for name, c := range map[string]struct {
		event *corev1.Event
		code  string
	}{
		"nothing is known of it":          {nil, ""},
		"it has failed":                   {failed, codeJob},
		"that of an earlier revision did": {before, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := deployed()
				if c.event != nil {
					s.events = []*corev1.Event{c.event}
				}
				result, err := Watch(t.Context(), Options{Client: cluster(t, s)}, record.Applied{Revision: began, Workloads: []record.Workload{web, job}})
				require.NoError(t, err)
				if c.code == "" {
					require.Nil(t, result.Cause)
					return
				}
				require.Equal(t, c.code, result.Cause.Code)
			})
		})
	}
}

func TestAKindWithoutARolloutIsAnErrorAtOnce(t *testing.T) {
	cron := record.Applied{Workloads: []record.Workload{{Kind: "CronJob", Namespace: "portal", Name: "c"}}}
	_, err := Watch(t.Context(), Options{Client: cluster(t, deploying())}, cron)
	require.ErrorIs(t, err, errKind)
}

func TestGracesRunOutToTheSecondWithoutAnyEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := cluster(t, deploying(pod("web-new", "new", false, waiting("ErrImagePull", "503 Service Unavailable"))))
		start := time.Now()
		result, err := Watch(t.Context(), Options{Client: client}, applied)
		require.NoError(t, err)
		require.Equal(t, codePull, result.Cause.Code)
		require.Equal(t, 2*time.Minute, time.Since(start).Truncate(time.Second))
	})
}

func TestTheBudgetEndsTheWaitAsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := deploying(pod("web-new", "new", false, running(0)))
		probe := event("Pod", "web-new", "Unhealthy", "Readiness probe failed: 503")
		probe.LastTimestamp = metav1.Now()
		s.events = []*corev1.Event{probe}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result, err := Watch(ctx, Options{Client: cluster(t, s)}, applied)
		require.NoError(t, err)
		require.Equal(t, codeTimeout, result.Cause.Code)
		require.Equal(t, "web", result.Cause.Container)
		require.Contains(t, result.Cause.Message, "after 60s: Readiness probe failed: 503; it said: fake logs")
	})
}

func TestAWaitShowsEachChangeAndThatItLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		var sights []record.Progress
		client := cluster(t, deploying(pod("web-new", "new", false, waiting("ContainerCreating", ""))))
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		time.AfterFunc(5*time.Second, func() { // the table changes, but no word about the rollout
			old := pod("web-old", "old", true)
			old.Spec.NodeName = "node-2"
			_, err := client.CoreV1().Pods("portal").Update(ctx, old, metav1.UpdateOptions{})
			require.NoError(t, err)
		})
		time.AfterFunc(12*time.Second, func() {
			p := pod("web-new", "new", false, waiting("ErrImagePull", "503 Service Unavailable"))
			_, err := client.CoreV1().Pods("portal").UpdateStatus(ctx, p, metav1.UpdateOptions{})
			require.NoError(t, err)
		})
		_, err := Watch(ctx, Options{Client: client, Log: slog.New(slog.NewTextHandler(&text, nil)), Show: func(s record.Progress) { sights = append(sights, s) }}, applied)
		require.NoError(t, err)
		var seconds []string
		for _, s := range sights {
			seconds = append(seconds, fmt.Sprintf("%.0f", s.Seconds))
		}
		require.Equal(t, []string{"0", "5", "10", "12", "22", "32"}, seconds)
		require.Equal(t, len(sights)-1, strings.Count(text.String(), "msg="))
		require.Equal(t, "waiting for Deployment/web: 0 of 1 new pods ready, 1 old", sights[0].Line)
		require.Contains(t, sights[3].Line, "; Pod/web-new container web: ErrImagePull: 503 Service Unavailable [rollout/image-pull-failed]")
		require.Len(t, sights[3].Pods, 2)
		require.Equal(t, "ErrImagePull", sights[3].Pods[0].Status)
		require.Equal(t, "ErrImagePull: 503 Service Unavailable", sights[3].Pods[0].Message)
	})
}

func TestNothingRanIsSaidAloud(t *testing.T) {
	var text bytes.Buffer
	s, none := deployed(), int32(0)
	s.pods, s.deployments[0].Spec.Replicas = nil, &none
	s.deployments[0].Status.Replicas, s.deployments[0].Status.UpdatedReplicas, s.deployments[0].Status.AvailableReplicas = 0, 0, 0
	result, err := Watch(t.Context(), Options{Client: cluster(t, s), Log: slog.New(slog.NewTextHandler(&text, nil))}, applied)
	require.NoError(t, err)
	require.Empty(t, result.Pods)
	require.Contains(t, text.String(), "level=WARN msg=\"Deployment/web has 0 replicas: nothing ran")
}

func webService() *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "portal"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}}
}

func TestWatchWaitsForTheService(t *testing.T) {
	server := newAPIServer(t)
	server.all(deployed())
	server.put(webService())
	var once sync.Once
	waited := make(chan struct{})
	o := Options{Client: server.client(t), Namespace: "portal", Show: func(s record.Progress) {
		if strings.Contains(s.Line, "Service/web: 0 of 1 new pods in its EndpointSlices") {
			once.Do(func() { close(waited) })
		}
	}}
	both := []record.Service{{Name: "web", Port: 80}, {Name: "web", Port: 9090}}
	done := begun(t.Context(), t, o, record.Applied{Workloads: applied.Workloads, Services: both})
	<-waited
	changed := time.Now()
	server.put(serving("web-new"))
	require.Nil(t, (<-done).Cause)
	require.Less(t, time.Since(changed), time.Second)
	require.Equal(t, 1, server.count("services"), "two ports are one Service")
}

func TestServicesThatDoNotFollowReadinessAreLeftOut(t *testing.T) {
	for name, change := range map[string]func(*corev1.Service){
		"no selector":       func(s *corev1.Service) { s.Spec.Selector = nil },
		"unready pods, too": func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true },
		"another's name":    func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName },
	} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer(t)
			server.all(deployed())
			service := webService()
			change(service)
			server.put(service)
			what := record.Applied{Workloads: applied.Workloads, Services: []record.Service{{Namespace: "portal", Name: "web"}}}
			result, err := Watch(t.Context(), Options{Client: server.client(t)}, what)
			require.NoError(t, err)
			require.Nil(t, result.Cause)
			require.Zero(t, server.count("endpointslices"))
		})
	}
}

func TestEventsAboutSomebodyElseWakeNobody(t *testing.T) {
	long := strings.Repeat("a", 60)
	w := &watch{changed: make(chan struct{}, 1), targets: []target{{Workload: web}, {Workload: record.Workload{Name: long}}}}
	woken := func(object any) bool {
		w.onChange(object)
		select {
		case <-w.changed:
			return true
		default:
			return false
		}
	}
	require.False(t, woken(event("Pod", "noisy-neighbour", "BackOff", "x")))
	require.True(t, woken(event("Pod", "web-7d9", "BackOff", "x")))
	require.True(t, woken(event("Pod", long[:58]+"x2x4z", "BackOff", "x")), "long names are cut")
	require.True(t, woken(event("PersistentVolumeClaim", "data", "ProvisioningFailed", "x")))
	require.True(t, woken(pod("any", "new", true)))
}

func TestWhatIsKeptOfAPodIsEnough(t *testing.T) {
	s := deploying(pod("web-new", "new", true), creatingPod())
	s.pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", Ready: true, RestartCount: 2, State: runs}}
	s.pods[1].Name, s.pods[1].Spec.NodeName = "web-next", "node-1"
	s.pods[0].Spec.Containers[0].LivenessProbe, s.pods[0].Spec.Containers[0].StartupProbe = &corev1.Probe{PeriodSeconds: 3}, &corev1.Probe{PeriodSeconds: 4}
	s.pods[0].Spec.Containers[0].Image, s.pods[0].Status.ContainerStatuses[0].ImageID = released, released
	small := s
	small.pods = nil
	for _, p := range s.pods {
		p.Annotations = map[string]string{"notes": "long"}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A"}}
		kept := strip(p)
		require.Empty(t, kept.(*corev1.Pod).Annotations)
		require.Empty(t, kept.(*corev1.Pod).Spec.Containers[0].Env)
		small.pods = append(small.pods, kept.(*corev1.Pod))
		require.Equal(t, p.Spec.Containers[0].LivenessProbe, kept.(*corev1.Pod).Spec.Containers[0].LivenessProbe)
		require.Equal(t, p.Spec.Containers[0].StartupProbe, kept.(*corev1.Pod).Spec.Containers[0].StartupProbe)
		require.Equal(t, p.Spec.Containers[0].Image, kept.(*corev1.Pod).Spec.Containers[0].Image)
		require.Equal(t, p.Spec.Containers[0].Ports, kept.(*corev1.Pod).Spec.Containers[0].Ports)
	}
	require.Equal(t, digest, idOf(small.pods[0], "web"))
	whole, kept := newJudge(nil).decide(s, noon.Add(time.Minute)), newJudge(nil).decide(small, noon.Add(time.Minute))
	require.Len(t, kept.statuses[0].proven, len(whole.statuses[0].proven))
	require.Equal(t, podTable(noon, whole.statuses, s.workloads), podTable(noon, kept.statuses, s.workloads))
}

func TestNoWorkloadIsSaidAloud(t *testing.T) {
	var text bytes.Buffer
	_, err := Watch(t.Context(), Options{Client: fake.NewClientset(), Log: slog.New(slog.NewTextHandler(&text, nil))}, record.Applied{})
	require.NoError(t, err)
	require.Contains(t, text.String(), "there is no workload: nothing ran")
}
