package judge

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

const (
	// settleTime is how long a pod must stay ready that was not steady before.
	settleTime = 15 * time.Second
	// minRunTime is how long a container without a readiness probe must run: Kubernetes
	// calls it ready as soon as it is started, also one that is about to crash.
	minRunTime = 5 * time.Second
)

// readiness is how steady a pod has been.
type readiness struct {
	ready    bool
	since    time.Time
	losses   int
	restarts int32 // of all containers
	observed bool  // a look saw it become ready
}

// track notes a pod's readiness and gives its history. A container that has been started again was not ready in
// between, also where neither the kubelet nor a look has shown that
// (https://github.com/shopware/shopware-operator/issues/196).
func (j *Judge) track(p *corev1.Pod) readiness {
	r, known := j.readiness[p.UID]
	is, restarts := podstate.Ready(p), podstate.Restarts(p)
	lost := known && r.ready && (!is || restarts > r.restarts)
	if lost {
		r.losses++
	}
	if !known || lost || is != r.ready {
		r.observed = known && is
		r.ready, r.since = is, j.Now
	}
	r.restarts = restarts
	j.readiness[p.UID] = r
	return r
}

// settled reports whether a ready pod may count, or how long until it may: one that
// lost its readiness or ended repeatedly has to stay ready for a while first, and
// one whose readiness says nothing has to run for a while.
func (j *Judge) settled(s *cluster.Snapshot, p *corev1.Pod, r readiness) (bool, time.Duration) {
	if !r.ready || doubted(s, p) {
		return false, 0
	}
	left := j.unprobedLeft(p)
	unsteady := r.losses >= 2
	for _, c := range podstate.Statuses(p) {
		unsteady = unsteady || j.failures(p, c) >= 3
	}
	if unsteady {
		left = max(left, settleTime-j.Now.Sub(r.since))
	}
	return left <= 0, max(left, 0)
}

// unprobedLeft is how long until the last container without a readiness probe has run for
// long enough. A node's clock may lag behind ours or lead: the earlier of its own
// time and of the look that first had the container running counts.
func (j *Judge) unprobedLeft(p *corev1.Pod) time.Duration {
	var left time.Duration
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil || !podstate.Unprobed(p, c.Name) {
			continue
		}
		key := podstate.RunOf(p, c)
		since, known := j.running[key]
		if !known {
			since = j.Now
			if at := c.State.Running.StartedAt.Time; at.Before(since) {
				since = at
			}
			j.running[key] = since
		}
		left = max(left, minRunTime-j.Now.Sub(since))
	}
	return left
}

// doubted: nothing vouches for a container without a probe against its own words.
func doubted(s *cluster.Snapshot, p *corev1.Pod) bool {
	for _, c := range p.Status.ContainerStatuses {
		if _, said := s.Lines[podstate.RunOf(p, c)]; said && podstate.Unprobed(p, c.Name) {
			return true
		}
	}
	return false
}

// prove notes that a pod of a revision has been ready, and reports whether another
// one ever was. A container without a readiness probe is ready as soon as it is started, which
// proves nothing of the revision before it has run for a while.
func (j *Judge) prove(revision string, p *corev1.Pod) (shared bool) {
	pods := j.proven[revision]
	if podstate.Ready(p) && j.unprobedLeft(p) <= 0 {
		if pods == nil {
			pods = map[types.UID]bool{}
			j.proven[revision] = pods
		}
		pods[p.UID] = true
	}
	return len(pods) > 1 || len(pods) == 1 && !pods[p.UID]
}
