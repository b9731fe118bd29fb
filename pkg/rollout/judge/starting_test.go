package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// What nobody has said a word about is told all the same when the time is over.
func TestAPodThatOnlyTakesTooLongIsNamed(t *testing.T) {
	pod := func(status corev1.ContainerStatus, change func(*corev1.Container)) *corev1.Pod {
		p := fixture.Pod("web-new", "new", false, status)
		change(&p.Spec.Containers[0])
		return p
	}
	ran := fixture.Running(0)
	ran.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(fixture.Noon.Add(-40 * time.Second))}
	hooked := func(c *corev1.Container) {
		c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sleep", "600"}}}}
	}
	began := fixture.Event("Pod", "web-new", "Started", "Started container web")
	began.Type, began.LastTimestamp = corev1.EventTypeNormal, metav1.NewTime(fixture.Noon.Add(-30*time.Second))
	for name, c := range map[string]struct {
		pod   *corev1.Pod
		words string
	}{
		// kubernetes/kubernetes#30042, kubernetes/kubernetes#81450, bitnami/charts#6523
		"a postStart hook that does not end":   {pod(fixture.Waiting("ContainerCreating", ""), hooked), "it was started 30s ago, and its postStart hook has not ended"},
		"a container that is made":             {pod(fixture.Waiting("ContainerCreating", ""), func(*corev1.Container) {}), ""},
		"a readiness probe that asks too late": {pod(ran, func(c *corev1.Container) { c.ReadinessProbe = &corev1.Probe{InitialDelaySeconds: 600} }), "it runs since 40s, and its readiness probe asks for the first time 600s after the start (initialDelaySeconds)"},
		"a startup probe before it":            {pod(ran, func(c *corev1.Container) { c.StartupProbe, c.ReadinessProbe = &corev1.Probe{}, &corev1.Probe{} }), "it runs since 40s, and its startup probe has neither passed nor failed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deploying(cluster.StripPod(c.pod))
			s.Events = []*corev1.Event{cluster.StripEvent(began)}
			j := New(nil)
			look := j.Decide(s, fixture.Noon)
			require.Nil(t, look.Failed)
			require.Empty(t, look.Trouble, "nothing is wrong")
			cause := j.Timeout(look.Progress, time.Minute).Cause
			if c.words == "" {
				require.Empty(t, cause.Object)
				return
			}
			require.Equal(t, "Pod/web-new", cause.Object)
			require.Equal(t, "web", cause.Container)
			require.Contains(t, cause.Message, c.words)
		})
	}
}
