package judge

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// restartBaseline are the exits of containers before the watch began that say nothing
// about what is judged: a database that restarted last month must not look like a
// crash loop today, and a pod that is older than the revision may have crashed for
// what the revision mends, a Secret or a ConfigMap.
func restartBaseline(pods []*corev1.Pod, applied time.Time) map[podstate.ContainerID]int32 {
	earlier := map[podstate.ContainerID]int32{}
	for _, p := range pods {
		for _, c := range podstate.Statuses(p) {
			switch {
			case p.CreationTimestamp.Time.Before(applied):
				earlier[podstate.IDOf(p, c.Name)] = c.RestartCount + int32(isOver(p, c))
			case !podstate.Looping(c) && c.State.Waiting == nil:
				earlier[podstate.IDOf(p, c.Name)] = c.RestartCount
			}
		}
	}
	return earlier
}

// isOver is 1 for a container that has ended when it should not have and has not been
// started again, so that its restarts do not count this end.
func isOver(p *corev1.Pod, c corev1.ContainerStatus) int {
	if podstate.Looping(c) || c.State.Terminated != nil && !podstate.IsInit(p, c.Name) {
		return 1
	}
	return 0
}

// failuresOf counts them for the containers of a pod.
func (j *Judge) failuresOf(p *corev1.Pod) func(corev1.ContainerStatus) int {
	return func(c corev1.ContainerStatus) int { return j.failures(p, c) }
}

// failures counts how often a container has ended when it should not have, without
// those before the watch began.
func (j *Judge) failures(p *corev1.Pod, c corev1.ContainerStatus) int {
	return int(c.RestartCount-j.baseline[podstate.IDOf(p, c.Name)]) + isOver(p, c)
}
