package judge

import (
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// Table is all pods of the workloads, the new ones of each first.
func Table(now time.Time, statuses []Status, workloads []record.Workload) []record.PodState {
	var fresh, old []record.PodState
	for i, status := range statuses {
		for _, m := range status.Members {
			state := podState(m, now)
			state.Owner = workloads[i].String()
			if m.Fresh {
				fresh = append(fresh, state)
			} else {
				old = append(old, state)
			}
		}
	}
	return append(fresh, old...)
}

func podState(m member, now time.Time) record.PodState {
	p := m.Pod
	state := record.PodState{
		Name: p.Name, New: m.Fresh, Status: podstate.Status(p), Node: p.Spec.NodeName, Message: m.message,
		Seconds: int(max(0, now.Sub(p.CreationTimestamp.Time)).Seconds()),
	}
	readyContainers := 0
	for _, c := range p.Status.ContainerStatuses {
		if c.Ready {
			readyContainers++
		}
	}
	for _, c := range podstate.Statuses(p) {
		state.Restarts += int(c.RestartCount)
	}
	state.Ready = fmt.Sprintf("%d/%d", readyContainers, len(p.Spec.Containers))
	return state
}
