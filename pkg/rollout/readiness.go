package rollout

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// settleTime is how long a pod must stay ready that was not steady before.
const settleTime = 15 * time.Second

// readiness is how steady a pod has been.
type readiness struct {
	ready  bool
	since  time.Time
	losses int
}

// track notes a pod's readiness and gives its history.
func (j *judge) track(p *corev1.Pod) readiness {
	r, known := j.readiness[p.UID]
	if is := ready(p); !known || is != r.ready {
		if known && !is {
			r.losses++
		}
		r.ready, r.since = is, j.now
		j.readiness[p.UID] = r
	}
	return r
}

// prove notes that a pod of a revision has been ready, and tells whether another
// one ever was.
func (j *judge) prove(revision string, p *corev1.Pod) (shared bool) {
	pods := j.proven[revision]
	if ready(p) {
		if pods == nil {
			pods = map[types.UID]bool{}
			j.proven[revision] = pods
		}
		pods[p.UID] = true
	}
	return len(pods) > 1 || len(pods) == 1 && !pods[p.UID]
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

func ready(p *corev1.Pod) bool {
	c := condition(p, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}
