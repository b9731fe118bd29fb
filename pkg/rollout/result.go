package rollout

import (
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// failed is the result of a rollout that is certain to fail.
func (v *wait) failed(t detect.Trouble) record.Rollout {
	return record.Rollout{Cause: v.explained(t), Services: v.watch.asked.Services, Unproven: v.unproven}
}

// complete is the result of a rollout that is ready.
func (v *wait) complete(look judge.Verdict) record.Rollout {
	a := v.watch.asked
	v.Seen.Keep(v.judge, look)
	result := record.Rollout{Services: a.Services, Unproven: slices.Concat(v.unproven, look.Notes), Idle: idle(look.Statuses, v.watch.targets, a.Runs)}
	for _, status := range look.Statuses {
		if status.Note != "" {
			v.Log.Warn(status.Note)
		}
	}
	if len(look.Statuses) == 0 {
		v.Log.Warn("there is no workload: nothing ran and nothing was proven")
	}
	for _, line := range result.Unproven {
		v.Log.Warn("not proven: " + line)
	}
	_, digest, _ := strings.Cut(v.watch.image, "@")
	for i, status := range look.Statuses {
		to, isAsked := a.Routes[v.watch.targets[i].Workload]
		for _, p := range status.Proven {
			if port := to.Number(p.Spec, digest); isAsked && port > 0 {
				result.Pods = append(result.Pods, record.Pod{Namespace: p.Namespace, Name: p.Name, Port: port, HTTPS: to.HTTPS})
			}
		}
	}
	return result
}

// idle reports whether nothing runs on purpose: the workloads of the deployed image
// want no pods, or, where none is known, all.
func idle(statuses []judge.Status, targets []target, runs map[record.Workload]bool) bool {
	found := false
	for i, s := range statuses {
		if s.Batch || len(runs) > 0 && !runs[targets[i].Workload] {
			continue
		}
		if !s.Idle {
			return false
		}
		found = true
	}
	return found
}
