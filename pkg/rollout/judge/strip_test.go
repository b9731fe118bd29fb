package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

func TestWhatIsKeptOfAPodIsEnough(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", true), fixture.CreatingPod())
	s.Pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", Ready: true, RestartCount: 2, State: fixture.Runs}}
	s.Pods[1].Name, s.Pods[1].Spec.NodeName = "web-next", "node-1"
	s.Pods[0].Spec.Containers[0].LivenessProbe, s.Pods[0].Spec.Containers[0].StartupProbe = &corev1.Probe{PeriodSeconds: 3}, &corev1.Probe{PeriodSeconds: 4}
	s.Pods[0].Spec.Containers[0].Image, s.Pods[0].Status.ContainerStatuses[0].ImageID = fixture.Released, fixture.Released
	small := s
	small.Pods = nil
	for _, p := range s.Pods {
		p.Annotations = map[string]string{"notes": "long"}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A"}}
		kept := cluster.Strip(p)
		require.Empty(t, kept.(*corev1.Pod).Annotations)
		require.Empty(t, kept.(*corev1.Pod).Spec.Containers[0].Env)
		small.Pods = append(small.Pods, kept.(*corev1.Pod))
		require.Equal(t, p.Spec.Containers[0].LivenessProbe, kept.(*corev1.Pod).Spec.Containers[0].LivenessProbe)
		require.Equal(t, p.Spec.Containers[0].StartupProbe, kept.(*corev1.Pod).Spec.Containers[0].StartupProbe)
		require.Equal(t, p.Spec.Containers[0].Image, kept.(*corev1.Pod).Spec.Containers[0].Image)
		require.Equal(t, p.Spec.Containers[0].Ports, kept.(*corev1.Pod).Spec.Containers[0].Ports)
	}
	require.Equal(t, fixture.Digest, podstate.ImageDigest(small.Pods[0], "web"))
	whole, kept := New(nil).Decide(s, fixture.Noon.Add(time.Minute)), New(nil).Decide(small, fixture.Noon.Add(time.Minute))
	require.Len(t, kept.Statuses[0].Proven, len(whole.Statuses[0].Proven))
	require.Equal(t, Table(fixture.Noon, whole.Statuses, s.Workloads), Table(fixture.Noon, kept.Statuses, s.Workloads))
}
