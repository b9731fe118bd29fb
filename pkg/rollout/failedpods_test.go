package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestFailedPods_AreThoseOfEachWorkload(t *testing.T) {
	s := fixture.Deployed()
	failed := fixture.Pod("web-a", "old", false)
	failed.Status.Phase = corev1.PodFailed
	s.Pods = append(s.Pods, failed)
	server := newAPIServer(t)
	server.all(s)
	found := FailedPods(t.Context(), Options{Client: server.client(t), Namespace: "portal"}, applied)
	require.Len(t, found, 1)
	require.Equal(t, "Deployment/web", found[0].Workload.String())
	require.Len(t, found[0].Pods, 1)
	require.Equal(t, "web-a", found[0].Pods[0].Name)
}
