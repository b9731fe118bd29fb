package rollout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	goruntime "runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// watching starts a watch of one unready pod and waits until all its streams are open.
func watching(t *testing.T, server *apiServer, o Options) chan record.Rollout {
	t.Helper()
	server.all(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0))))
	o.Client = server.client(t)
	done := begun(t.Context(), t, o, applied)
	// The Deployment, its ReplicaSets and pods, warnings, five kinds of other events, and autoscalers.
	synctest.Wait()
	require.Equal(t, 10, streams(server))
	return done
}

func streams(server *apiServer) int {
	server.mu.Lock()
	defer server.mu.Unlock()
	return len(server.watchers)
}

// complete makes the rollout complete.
func complete(server *apiServer) {
	server.remove(fixture.Pod("web-old", "old", true))
	server.all(fixture.Deployed())
}

func TestAnAPIServerThatRestartsDoesNotEndTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(t)
		done := watching(t, server, Options{})
		over := server.outage()
		complete(server) // nobody is told
		time.Sleep(time.Minute)
		over()
		require.Nil(t, (<-done).Cause)
	})
}

func TestAVersionThatIsGoneIsListedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(t)
		done := watching(t, server, Options{})
		lists := server.count("pods")
		server.expire()
		complete(server)
		require.Nil(t, (<-done).Cause)
		require.Greater(t, server.count("pods"), lists)
	})
}

func TestTheFirstReadingOutlastsAnAPIServerThatStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(t)
		server.all(fixture.Deployed())
		server.denied["deployments"] = true // it does not know its own rules yet
		over := server.outage()
		done := begun(t.Context(), t, Options{Client: server.client(t)}, applied)
		synctest.Wait()
		require.Equal(t, 1, server.count("deployments"))
		over()
		time.Sleep(refusalGrace / 2)
		require.Greater(t, server.count("deployments"), 1, "it was asked again, and said no")
		server.mu.Lock()
		server.denied["deployments"] = false
		server.mu.Unlock()
		require.Nil(t, (<-done).Cause)
	})
}

func TestWithoutTheRightToReadEventsTheRolloutIsWatchedAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(t)
		server.denied["events"] = true
		server.all(fixture.Deployed())
		result, err := Watch(t.Context(), Options{Client: server.client(t)}, applied)
		require.NoError(t, err)
		require.Nil(t, result.Cause)
	})
}

func TestWithoutTheRightToReadPodsItIsNot(t *testing.T) {
	for resource, words := range map[string]string{"pods": "watching Pods: ", "deployments": "reading Deployment/web: "} {
		synctest.Test(t, func(t *testing.T) {
			client := fakeCluster(t, fixture.Deployed())
			client.PrependReactor("*", resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("RBAC"))
			})
			start := time.Now()
			_, err := Watch(t.Context(), Options{Client: client}, applied)
			require.ErrorContains(t, err, words)
			require.ErrorContains(t, err, "RBAC")
			require.Equal(t, record.KindUnavailable, record.KindOf(err))
			require.GreaterOrEqual(t, time.Since(start), refusalGrace, "an API server that has just started says no, too")
			require.Less(t, time.Since(start), 3*refusalGrace)
		})
	}
}

func TestRequestsDoNotGrowWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newAPIServer(t)
		server.logs = func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		done := watching(t, server, Options{LogPatterns: []string{"never"}})
		require.Equal(t, 1, server.count("pods/log"))
		before := server.total()
		for i := range 200 { // a noisy neighbour, and our own pod
			e := fixture.Event("Pod", fmt.Sprintf("foreign-%d", i), "BackOff", "noise")
			server.put(e, fixture.Pod("web-new", "new", false, fixture.Running(0)))
		}
		time.Sleep(time.Minute)
		require.Equal(t, before, server.total())
		complete(server)
		require.Nil(t, (<-done).Cause)
	})
}

// foreign puts pods into the namespace that are somebody else's.
func foreign(server *apiServer, n int) {
	for i := range n {
		p := fixture.Pod(fmt.Sprintf("foreign-%d", i), "foreign", true, fixture.Running(0))
		p.UID, p.Labels = types.UID(p.Name), map[string]string{"app": "foreign"}
		p.Annotations = map[string]string{"notes": fmt.Sprintf("%02000d", i)}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "SETTINGS", Value: fmt.Sprintf("%01000d", i)}}
		server.put(p)
	}
}

// BenchmarkForeignPods is what it costs to watch a Deployment of one pod in a
// namespace with 1 000 pods that are somebody else's; beside it the same with all
// pods of the namespace. retained-B is memory in use, both with the test's own server.
func BenchmarkForeignPods(b *testing.B) {
	for _, c := range []struct {
		name     string
		selector string
	}{{"with the workload's selector", "app=web"}, {"with all pods of the namespace", ""}} {
		b.Run(c.name, func(b *testing.B) {
			server := newAPIServer(b)
			foreign(server, 1000)
			server.all(fixture.Deployed())
			client := server.client(b)
			var retained, objects uint64
			for b.Loop() {
				before := inUse()
				ctx, stop := context.WithCancel(b.Context())
				s, err := newSource(&watch{client: client, changed: make(chan struct{}, 1)}, "Pod", "portal", where{labels: c.selector}, false)
				require.NoError(b, err)
				go s.run(ctx)
				require.NoError(b, s.synced(ctx))
				retained, objects = inUse()-before, uint64(len(s.informer.GetStore().List()))
				stop()
			}
			b.ReportMetric(float64(int64(retained)), "retained-B")
			b.ReportMetric(float64(objects), "pods")
		})
	}
}

func inUse() uint64 {
	goruntime.GC()
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return m.HeapAlloc
}
