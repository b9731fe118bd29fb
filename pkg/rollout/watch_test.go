package rollout

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
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
	return client
}

func TestWatchSeesAChangeAndEnds(t *testing.T) {
	s := deploying(pod("web-new", "new", false))
	client := cluster(t, s)
	done := make(chan pipeline.Rollout, 1)
	go func() {
		result, err := Watch(t.Context(), Options{Client: client}, s.workloads)
		require.NoError(t, err)
		done <- result
	}()
	_, err := client.CoreV1().Pods("portal").UpdateStatus(t.Context(), pod("web-new", "new", true), metav1.UpdateOptions{})
	require.NoError(t, err)
	d := s.deployments[0].DeepCopy()
	d.Status.Replicas = 1
	_, err = client.AppsV1().Deployments("portal").UpdateStatus(t.Context(), d, metav1.UpdateOptions{})
	require.NoError(t, err)
	result := <-done
	require.Nil(t, result.Cause)
	require.Equal(t, "web-new", result.Pods[0].Name)
}

func TestWatchNamesTheCause(t *testing.T) {
	s := deploying(pod("web-new", "new", false, waiting("InvalidImageName", "bad")))
	unqualified := []pipeline.Workload{{Kind: "Deployment", Name: "web"}}
	result, err := Watch(t.Context(), Options{Client: cluster(t, s), Namespace: "portal"}, unqualified)
	require.NoError(t, err)
	require.Equal(t, codeInvalidName, result.Cause.Code)
}

func TestTheBudgetEndsTheWaitAsAFailure(t *testing.T) {
	s := deploying(pod("web-new", "new", false))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	result, err := Watch(ctx, Options{Client: cluster(t, s)}, s.workloads)
	require.NoError(t, err)
	require.Equal(t, codeTimeout, result.Cause.Code)
}

func TestASignalEndsTheWaitWithoutAVerdict(t *testing.T) {
	s := deploying(pod("web-new", "new", false))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := Watch(ctx, Options{Client: cluster(t, s)}, s.workloads)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAWorkloadThatIsNotThereIsAnError(t *testing.T) {
	_, err := Watch(t.Context(), Options{Client: fake.NewClientset()}, []pipeline.Workload{web})
	require.ErrorContains(t, err, `deployments.apps "web" not found`)
	require.Equal(t, pipeline.KindUnavailable, pipeline.KindOf(err))
}
