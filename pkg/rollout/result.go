package rollout

import (
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// failed is the result of a rollout that is certain to fail.
func (v *wait) failed(t trouble) record.Rollout {
	return record.Rollout{Cause: v.explained(t), Services: v.watch.asked.services, Unproven: v.unproven}
}

// complete is the result of a rollout that is ready.
func (v *wait) complete(look verdict) record.Rollout {
	a := v.watch.asked
	v.Seen.keep(look)
	result := record.Rollout{Services: a.services, Unproven: slices.Concat(v.unproven, look.notes), Idle: a.idle(look.statuses, v.watch.targets)}
	for _, status := range look.statuses {
		if status.note != "" {
			v.Log.Warn(status.note)
		}
	}
	if len(look.statuses) == 0 {
		v.Log.Warn("there is no workload: nothing ran and nothing was proven")
	}
	for _, line := range result.Unproven {
		v.Log.Warn("not proven: " + line)
	}
	_, digest, _ := strings.Cut(v.watch.image, "@")
	for i, status := range look.statuses {
		to, isAsked := a.routes[v.watch.targets[i].Workload]
		for _, p := range status.proven {
			if port := to.number(p.Spec, digest); isAsked && port > 0 {
				result.Pods = append(result.Pods, record.Pod{Namespace: p.Namespace, Name: p.Name, Port: port, HTTPS: to.https})
			}
		}
	}
	return result
}

// idle reports whether nothing runs on purpose: the workloads of the deployed image
// want no pods, or, where none is known, all.
func (a asked) idle(statuses []status, targets []target) bool {
	found := false
	for i, s := range statuses {
		if s.batch || len(a.runs) > 0 && !a.runs[targets[i].Workload] {
			continue
		}
		if !s.idle {
			return false
		}
		found = true
	}
	return found
}
