package rollout

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// fakeCluster puts the objects of a look into client-go's fake API server.
func fakeCluster(t *testing.T, s cluster.Snapshot) *fake.Clientset {
	t.Helper()
	client := fake.NewClientset()
	for _, d := range s.Deployments {
		require.NoError(t, client.Tracker().Add(d))
	}
	for _, rs := range s.ReplicaSets {
		require.NoError(t, client.Tracker().Add(rs))
	}
	for _, p := range s.Pods {
		require.NoError(t, client.Tracker().Add(p))
	}
	for _, e := range s.Events {
		require.NoError(t, client.Tracker().Add(e))
	}
	return client
}

var applied = record.Applied{Workloads: []record.Workload{fixture.Web}}

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
	synctest.Test(t, func(t *testing.T) {
		client := fakeCluster(t, fixture.Deploying(fixture.Pod("web-new", "new", false)))
		done := begun(t.Context(), t, Options{Client: client}, applied)
		_, err := client.CoreV1().Pods("portal").UpdateStatus(t.Context(), fixture.Pod("web-new", "new", true), metav1.UpdateOptions{})
		require.NoError(t, err)
		_, err = client.AppsV1().Deployments("portal").UpdateStatus(t.Context(), fixture.Deployed().Deployments[0], metav1.UpdateOptions{})
		require.NoError(t, err)
		result := <-done
		require.Nil(t, result.Cause)
		require.Equal(t, "web-new", result.Pods[0].Name)
	})
}

func TestWatchNamesTheCause(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("InvalidImageName", "bad")))
	unqualified := record.Applied{Workloads: []record.Workload{{Kind: "Deployment", Name: "web"}}}
	result, err := Watch(t.Context(), Options{Client: fakeCluster(t, s), Namespace: "portal"}, unqualified)
	require.NoError(t, err)
	require.Equal(t, causes.InvalidName, result.Cause.Code)
}

func TestASignalEndsTheWaitWithoutAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := Watch(ctx, Options{Client: fakeCluster(t, fixture.Deploying(fixture.Pod("web-new", "new", false)))}, applied)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// helm/helm#3275: somebody has deleted it. That is an answer, not an error.
func TestWatch_AWorkloadThatIsNotThereIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result, err := Watch(t.Context(), Options{Client: fake.NewClientset()}, applied)
		require.NoError(t, err)
		require.Equal(t, record.Cause{Code: causes.WorkloadDeleted, Object: "Deployment/web", Reason: "NotFound", Message: "somebody has deleted it"}, *result.Cause)
	})
}

func TestWatch_AWorkloadThatAppearsIsWatchedFromThenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset()
		time.AfterFunc(5*time.Second, func() {
			s := fixture.Deployed()
			for _, o := range []runtime.Object{s.ReplicaSets[1], s.Pods[0]} {
				require.NoError(t, client.Tracker().Add(o))
			}
			_, err := client.AppsV1().Deployments("portal").Create(t.Context(), s.Deployments[0], metav1.CreateOptions{})
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
	began := record.Revision{Deployed: fixture.Noon}
	failed := fixture.Event("Job", "migrate", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
	before := fixture.Event("Job", "migrate", "BackoffLimitExceeded", "x")
	before.LastTimestamp = metav1.NewTime(fixture.Noon.Add(-time.Minute))
	for name, c := range map[string]struct {
		event *corev1.Event
		code  string
	}{
		"nothing is known of it":          {nil, ""},
		"it has failed":                   {failed, causes.JobFailed},
		"that of an earlier revision did": {before, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := fixture.Deployed()
				if c.event != nil {
					s.Events = []*corev1.Event{c.event}
				}
				result, err := Watch(t.Context(), Options{Client: fakeCluster(t, s)}, record.Applied{Revision: began, Workloads: []record.Workload{fixture.Web, job}})
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
	_, err := Watch(t.Context(), Options{Client: fakeCluster(t, fixture.Deploying())}, cron)
	require.ErrorIs(t, err, errKind)
}

func TestGracesRunOutToTheSecondWithoutAnyEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fakeCluster(t, fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("ErrImagePull", "503 Service Unavailable"))))
		start := time.Now()
		result, err := Watch(t.Context(), Options{Client: client}, applied)
		require.NoError(t, err)
		require.Equal(t, causes.PullFailed, result.Cause.Code)
		require.Equal(t, 2*time.Minute, time.Since(start).Truncate(time.Second))
	})
}

func TestTheBudgetEndsTheWaitAsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
		probe := fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed: 503")
		probe.LastTimestamp = metav1.Now()
		s.Events = []*corev1.Event{probe}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result, err := Watch(ctx, Options{Client: fakeCluster(t, s)}, applied)
		require.NoError(t, err)
		require.Equal(t, causes.Timeout, result.Cause.Code)
		require.Equal(t, "web", result.Cause.Container)
		require.Contains(t, result.Cause.Message, "after 60s: Readiness probe failed: 503; it said: fake logs")
	})
}

func TestAWaitShowsEachChangeAndThatItLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		var sights []record.Progress
		client := fakeCluster(t, fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("ContainerCreating", ""))))
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		time.AfterFunc(5*time.Second, func() { // the table changes, but no word about the rollout
			old := fixture.Pod("web-old", "old", true)
			old.Spec.NodeName = "node-2"
			_, err := client.CoreV1().Pods("portal").Update(ctx, old, metav1.UpdateOptions{})
			require.NoError(t, err)
		})
		time.AfterFunc(12*time.Second, func() {
			p := fixture.Pod("web-new", "new", false, fixture.Waiting("ErrImagePull", "503 Service Unavailable"))
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
	s, none := fixture.Deployed(), int32(0)
	s.Pods, s.Deployments[0].Spec.Replicas = nil, &none
	s.Deployments[0].Status.Replicas, s.Deployments[0].Status.UpdatedReplicas, s.Deployments[0].Status.AvailableReplicas = 0, 0, 0
	result, err := Watch(t.Context(), Options{Client: fakeCluster(t, s), Log: slog.New(slog.NewTextHandler(&text, nil))}, applied)
	require.NoError(t, err)
	require.Empty(t, result.Pods)
	require.Contains(t, text.String(), "level=WARN msg=\"Deployment/web has 0 replicas: nothing ran")
}

func webService() *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "portal"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}}
}

func TestWatchWaitsForTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(t)
		server.all(fixture.Deployed())
		server.put(webService())
		var shown string
		o := Options{Client: server.client(t), Namespace: "portal", Show: func(s record.Progress) { shown = s.Line }}
		both := []record.Service{{Name: "web", Port: 80}, {Name: "web", Port: 9090}}
		done := begun(t.Context(), t, o, record.Applied{Workloads: applied.Workloads, Services: both})
		synctest.Wait()
		require.Contains(t, shown, "Service/web: 0 of 1 new pods in its EndpointSlices")
		changed := time.Now()
		server.put(fixture.Serving("web-new"))
		require.Nil(t, (<-done).Cause)
		require.Zero(t, time.Since(changed), "the change wakes it, not the clock")
		require.Equal(t, 1, server.count("services"), "two ports are one Service")
	})
}

func TestServicesThatDoNotFollowReadinessAreLeftOut(t *testing.T) {
	for name, change := range map[string]func(*corev1.Service){
		"no selector":       func(s *corev1.Service) { s.Spec.Selector = nil },
		"unready pods, too": func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true },
		"another's name":    func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName },
	} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer(t)
			server.all(fixture.Deployed())
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
	w := &watch{changed: make(chan struct{}, 1), targets: []target{{Watched: cluster.Watched{Workload: fixture.Web}}, {Watched: cluster.Watched{Workload: record.Workload{Name: long}}}}}
	woken := func(object any) bool {
		w.onChange(object)
		select {
		case <-w.changed:
			return true
		default:
			return false
		}
	}
	require.False(t, woken(fixture.Event("Pod", "noisy-neighbour", "BackOff", "x")))
	require.True(t, woken(fixture.Event("Pod", "web-7d9", "BackOff", "x")))
	require.True(t, woken(fixture.Event("Pod", long[:58]+"x2x4z", "BackOff", "x")), "long names are cut")
	require.True(t, woken(fixture.Event("PersistentVolumeClaim", "data", "ProvisioningFailed", "x")))
	require.True(t, woken(fixture.Pod("any", "new", true)))
}

func TestNoWorkloadIsSaidAloud(t *testing.T) {
	var text bytes.Buffer
	_, err := Watch(t.Context(), Options{Client: fake.NewClientset(), Log: slog.New(slog.NewTextHandler(&text, nil))}, record.Applied{})
	require.NoError(t, err)
	require.Contains(t, text.String(), "there is no workload: nothing ran")
}
