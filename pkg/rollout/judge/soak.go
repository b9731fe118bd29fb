package judge

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

const (
	leastSoak = 10 * time.Second
	mostSoak  = 30 * time.Second
	// mostLate is until when the first answer of a late liveness probe is waited for.
	mostLate = 2 * time.Minute
	// mostFailing is how long one that fails is watched at most.
	mostFailing = 5 * time.Minute
	// soakMargin is how long the kubelet may take to act on a probe's last failure.
	soakMargin = 2 * time.Second
)

// Seen carries from a Watch to the Hold that follows how often the containers of the
// new pods had ended: what ends between the two counts.
type Seen struct {
	mu       sync.Mutex
	restarts map[podstate.ContainerID]int32
	became   map[types.UID]time.Time // when pods became ready, of those that a look saw become so
}

// Keep remembers the restarts of pods that are ready, and since when they are.
func (s *Seen) Keep(j *Judge, look Verdict) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts, s.became = map[podstate.ContainerID]int32{}, map[types.UID]time.Time{}
	for _, status := range look.Statuses {
		for _, p := range status.Proven {
			if r := j.readiness[p.UID]; r.observed {
				s.became[p.UID] = r.since
			}
			for _, c := range podstate.Statuses(p) {
				s.restarts[podstate.IDOf(p, c.Name)] = c.RestartCount
			}
		}
	}
}

// known is how often the container of a pod had been restarted when it was ready.
func (s *Seen) known(c podstate.ContainerID) (int32, bool) {
	if s == nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, found := s.restarts[c]
	return n, found
}

// readySince is when the Watch before saw a pod become ready.
func (s *Seen) readySince(pod types.UID) (time.Time, bool) {
	if s == nil {
		return time.Time{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, found := s.became[pod]
	return at, found
}

// alive reports whether a pod was ready in the Watch before.
func (s *Seen) alive(p *corev1.Pod) bool {
	return slices.ContainsFunc(podstate.Statuses(p), func(c corev1.ContainerStatus) bool {
		_, known := s.known(podstate.IDOf(p, c.Name))
		return known
	})
}

// SoakLeft is how long the new pods of a look must still be watched.
func (j *Judge) SoakLeft(s cluster.Snapshot, look Verdict) time.Duration {
	var left time.Duration
	for _, status := range look.Statuses {
		for _, m := range status.Members {
			if m.Fresh && !status.Batch && m.Pod.DeletionTimestamp == nil && podstate.Ready(m.Pod) {
				left = max(left, j.podSoakLeft(&s, m.Pod))
			}
		}
	}
	return left
}

// podSoakLeft is how long a ready pod must still be watched.
func (j *Judge) podSoakLeft(s *cluster.Snapshot, p *corev1.Pod) time.Duration {
	became := j.becameReady(p)
	until := leastSoak
	if limitsStorage(p) {
		until = mostSoak // the kubelet measures every 10 s and more (kubernetes/kubernetes#91600)
	}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		i := slices.IndexFunc(podstate.Statuses(p), func(status corev1.ContainerStatus) bool { return status.Name == c.Name })
		if i < 0 || c.LivenessProbe == nil || podstate.Statuses(p)[i].State.Running == nil {
			continue
		}
		until = max(until, livenessSoak(c, podstate.Statuses(p)[i].State.Running.StartedAt.Time, became, j.failsLiveness(s, p, c)))
	}
	return max(0, became.Add(until).Sub(j.Now))
}

// becameReady is since when a pod is ready without a break. What a look has seen counts by our
// own clock: the node's may lead or lag by minutes, and then nothing would be watched, or the
// watch would not end (https://github.com/kubernetes/kubernetes/issues/29229).
func (j *Judge) becameReady(p *corev1.Pod) time.Time {
	known := j.readiness[p.UID]
	if known.ready && known.observed {
		return known.since
	}
	if at, seen := j.seen.readySince(p.UID); seen && known.losses == 0 {
		return at
	}
	first := j.Now
	if known.ready {
		first = known.since
	}
	if c := podstate.Condition(p, corev1.PodReady); c != nil {
		if said := lastStart(p, c.LastTransitionTime.Time); said.Before(first) {
			return said
		}
	}
	return first
}

// lastStart is when the last container of a ready pod was started, or ready where that is later. The kubelet may
// show one that has ended and runs again as ready all the while.
func lastStart(p *corev1.Pod, ready time.Time) time.Time {
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil && c.State.Running.StartedAt.After(ready) {
			ready = c.State.Running.StartedAt.Time
		}
	}
	return ready
}

// livenessBegins is how long after a container was ready its liveness probe asks for the
// first time: when the startup probe has passed, and its delay since the start is over.
func livenessBegins(c corev1.Container, started, ready time.Time) time.Duration {
	if started.IsZero() || started.After(ready) {
		started = ready
	}
	begins := started.Add(time.Duration(c.LivenessProbe.InitialDelaySeconds) * time.Second).Sub(ready)
	if c.StartupProbe != nil {
		return max(begins, 0)
	}
	return begins
}

// livenessEnds is how long after a container was ready it is killed for a liveness probe
// that never passes.
func livenessEnds(c corev1.Container, started, ready time.Time) time.Duration {
	period, threshold, timeout := timing(c.LivenessProbe)
	return livenessBegins(c, started, ready) + period*time.Duration(threshold) + timeout + soakMargin
}

// livenessSoak is how long after it was ready a container is watched for its liveness
// probe. One that fails right now is watched until it has had its say; else its budget
// counts, up to half a minute. A probe that asks later than that is waited for until it has
// answered once, because what is ready may never be alive
// (https://github.com/sockudo/sockudo/issues/273); unless it asks what readiness has asked.
func livenessSoak(c corev1.Container, started, ready time.Time, fails bool) time.Duration {
	ends := livenessEnds(c, started, ready)
	if fails {
		return min(ends, mostFailing)
	}
	most := mostSoak
	period, _, timeout := timing(c.LivenessProbe)
	if first := livenessBegins(c, started, ready) + period + timeout + soakMargin; first <= mostLate && !isAsked(c) {
		most = max(most, first)
	}
	return min(ends, most)
}

// isAsked reports whether another probe of a ready container asks what its liveness
// probe will, and waits no longer for the answer.
func isAsked(c corev1.Container) bool {
	_, _, patience := timing(c.LivenessProbe)
	for _, other := range []*corev1.Probe{c.ReadinessProbe, c.StartupProbe} {
		if other == nil || !apiequality.Semantic.DeepEqual(other.ProbeHandler, c.LivenessProbe.ProbeHandler) {
			continue
		}
		if _, _, timeout := timing(other); timeout <= patience {
			return true
		}
	}
	return false
}

// limitsStorage reports whether the kubelet ends a pod that writes too much. It measures
// volumes once a minute only, which is not waited for.
func limitsStorage(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool {
		_, limited := c.Resources.Limits[corev1.ResourceEphemeralStorage]
		return limited
	})
}

// failsLiveness reports whether the liveness probe of a container has failed just now.
func (j *Judge) failsLiveness(s *cluster.Snapshot, p *corev1.Pod, c corev1.Container) bool {
	period, _, timeout := timing(c.LivenessProbe)
	window := period + timeout + soakMargin
	return slices.ContainsFunc(s.ByUID[p.UID], func(e *corev1.Event) bool {
		return e.Reason == "Unhealthy" && podstate.ContainerOf(e) == c.Name && strings.HasPrefix(e.Message, "Liveness") && j.Now.Sub(events.SeenAt(e)) <= window
	})
}

// timing is how often, until how many failures and how patiently a probe asks, with the
// API server's defaults.
func timing(p *corev1.Probe) (period time.Duration, threshold int32, timeout time.Duration) {
	return time.Duration(cmp.Or(max(p.PeriodSeconds, 0), 10)) * time.Second, cmp.Or(max(p.FailureThreshold, 0), 3), time.Duration(cmp.Or(max(p.TimeoutSeconds, 0), 1)) * time.Second
}
