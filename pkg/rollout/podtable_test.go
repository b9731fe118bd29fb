package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestTheTableShowsWhatKubectlShows(t *testing.T) {
	s := deploying(pod("web-new", "new", false, crashed(1, 1, "Error")))
	s.pods[0].Spec.NodeName = "node-1"
	v := newJudge(nil).decide(s, noon.Add(90*time.Second))
	require.Equal(t, []record.PodState{
		{Name: "web-new", Owner: "Deployment/web", New: true, Ready: "0/1", Status: "CrashLoopBackOff", Restarts: 1, Node: "node-1", Seconds: 90,
			Message: "CrashLoopBackOff: exited 2 times, last with code 1"},
		{Name: "web-old", Owner: "Deployment/web", Ready: "0/1", Status: "Running", Seconds: 90},
	}, podTable(noon.Add(90*time.Second), v.statuses, s.workloads))
}

func TestTheStatusOfAPod(t *testing.T) {
	init := func(c corev1.ContainerStatus) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "web"}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{c}
		}
	}
	done := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}}
	killed := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}}}
	for want, change := range map[string]func(*corev1.Pod){
		"Running":     func(*corev1.Pod) {},
		"Terminating": func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: noon} },
		"Evicted":     func(p *corev1.Pod) { p.Status.Reason = "Evicted" },
		"ErrImagePull": func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{waiting("ErrImagePull", "x")}
		},
		"ExitCode:137":          func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{killed} },
		"Completed":             func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{done} },
		"Init:0/1":              init(running(0)),
		"Init:CrashLoopBackOff": init(crashed(1, 1, "Error")),
	} {
		p := pod("web-new", "new", false)
		change(p)
		require.Equal(t, want, podStatus(p))
	}
}
