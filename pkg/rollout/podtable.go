package rollout

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// podTable is all pods of the workloads, the new ones of each first.
func podTable(now time.Time, statuses []status, workloads []record.Workload) []record.PodState {
	var fresh, old []record.PodState
	for i, status := range statuses {
		for _, m := range status.members {
			state := podState(m, now)
			state.Owner = workloads[i].String()
			if m.fresh {
				fresh = append(fresh, state)
			} else {
				old = append(old, state)
			}
		}
	}
	return append(fresh, old...)
}

func podState(m member, now time.Time) record.PodState {
	p := m.pod
	state := record.PodState{
		Name: p.Name, New: m.fresh, Status: podStatus(p), Node: p.Spec.NodeName, Message: m.message,
		Seconds: int(max(0, now.Sub(p.CreationTimestamp.Time)).Seconds()),
	}
	readyContainers := 0
	for _, c := range p.Status.ContainerStatuses {
		if c.Ready {
			readyContainers++
		}
	}
	for _, c := range statuses(p) {
		state.Restarts += int(c.RestartCount)
	}
	state.Ready = fmt.Sprintf("%d/%d", readyContainers, len(p.Spec.Containers))
	return state
}

// podStatus is the word that kubectl shows for a pod.
func podStatus(p *corev1.Pod) string {
	if p.DeletionTimestamp != nil {
		return "Terminating"
	}
	if p.Status.Reason != "" {
		return p.Status.Reason
	}
	done := 0
	for _, c := range p.Status.InitContainerStatuses {
		started := c.Started != nil && *c.Started
		if c.State.Terminated != nil && c.State.Terminated.ExitCode == 0 || !isInit(p, c.Name) && started {
			done++
			continue
		}
		if word := stateWord(c); word != "" && word != "PodInitializing" {
			return "Init:" + word
		}
		return fmt.Sprintf("Init:%d/%d", done, len(p.Spec.InitContainers))
	}
	for _, c := range p.Status.ContainerStatuses {
		if word := stateWord(c); word != "" {
			return word
		}
	}
	return string(p.Status.Phase)
}

// stateWord is why a container does not run, "" when it does.
func stateWord(c corev1.ContainerStatus) string {
	switch {
	case c.State.Waiting != nil:
		return c.State.Waiting.Reason
	case c.State.Terminated != nil && c.State.Terminated.Reason != "":
		return c.State.Terminated.Reason
	case c.State.Terminated != nil:
		return fmt.Sprintf("ExitCode:%d", c.State.Terminated.ExitCode)
	}
	return ""
}
