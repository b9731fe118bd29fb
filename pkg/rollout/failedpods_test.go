package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// decocms/studio#7011, kubernetes/kubernetes#116986
func TestEvicted_NamesPodsThatTheirNodesHaveEnded(t *testing.T) {
	ended := func(name, reason, message string) *corev1.Pod {
		p := fixture.Pod(name, "old", false)
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, reason, message
		return p
	}
	s := fixture.Deployed()
	s.Pods = append(s.Pods, ended("web-a", "Evicted", `Usage of EmptyDir volume "tmp" exceeds the limit "1Gi". `), ended("web-b", "UnexpectedAdmissionError", "no device"))
	require.Equal(t, []record.Concern{{Code: "preflight/evicted", Object: "Deployment/web",
		Message: `the nodes have ended 1 of its pods, Pod/web-a last: Usage of EmptyDir volume "tmp" exceeds the limit "1Gi".`,
		Advice:  "kubectl delete pod removes those that have ended; a limit that is too low ends the next ones, too"}},
		Evicted(t.Context(), Options{Client: fakeCluster(t, s), Namespace: "portal"}, applied))
	require.Empty(t, Evicted(t.Context(), Options{Client: fakeCluster(t, fixture.Deployed()), Namespace: "portal"}, applied))
}
