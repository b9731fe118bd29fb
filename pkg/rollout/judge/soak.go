package judge

import (
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

const (
	leastSoak = 10 * time.Second
	mostSoak  = 30 * time.Second
	// soakMargin is how long the kubelet may take to act on a probe's last failure.
	soakMargin = 2 * time.Second
)

// Seen carries from a Watch to the Hold that follows how often the containers of the
// new pods had ended: what ends between the two counts.
type Seen struct {
	mu       sync.Mutex
	restarts map[podstate.ContainerID]int32
}

// Keep remembers the restarts of pods that are ready.
func (s *Seen) Keep(look Verdict) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts = map[podstate.ContainerID]int32{}
	for _, status := range look.Statuses {
		for _, p := range status.Proven {
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

// podSoakLeft is how long a ready pod must still be watched. One whose liveness probe fails
// right now is watched until the probe has had its say.
func (j *Judge) podSoakLeft(s *cluster.Snapshot, p *corev1.Pod) time.Duration {
	became := j.Now
	if c := podstate.Condition(p, corev1.PodReady); c != nil && c.LastTransitionTime.Time.Before(became) {
		became = c.LastTransitionTime.Time
	}
	if known := j.readiness[p.UID]; known.ready && known.losses > 0 {
		became = known.since
	}
	until := leastSoak
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		i := slices.IndexFunc(podstate.Statuses(p), func(status corev1.ContainerStatus) bool { return status.Name == c.Name })
		if i < 0 || c.LivenessProbe == nil {
			continue
		}
		running := podstate.Statuses(p)[i].State.Running
		if running == nil {
			continue
		}
		started := running.StartedAt.Time
		if c.StartupProbe != nil || started.IsZero() || started.After(became) {
			started = became // the liveness probe begins when the startup probe has passed
		}
		budget := budgetOf(c.LivenessProbe)
		own := started.Add(budget + soakMargin).Sub(became)
		if !j.failsLiveness(s, p, c) {
			own = min(own, mostSoak)
		}
		until = max(until, own)
	}
	return max(0, became.Add(until).Sub(j.Now))
}

// failsLiveness reports whether the liveness probe of a container has failed just now.
func (j *Judge) failsLiveness(s *cluster.Snapshot, p *corev1.Pod, c corev1.Container) bool {
	window := time.Duration(max(1, c.LivenessProbe.PeriodSeconds))*time.Second + time.Duration(max(1, c.LivenessProbe.TimeoutSeconds))*time.Second + soakMargin
	return slices.ContainsFunc(s.ByUID[p.UID], func(e *corev1.Event) bool {
		return e.Reason == "Unhealthy" && podstate.ContainerOf(e) == c.Name && strings.HasPrefix(e.Message, "Liveness") && j.Now.Sub(podstate.SeenAt(e)) <= window
	})
}

// budgetOf is how long a probe takes to give up that never passes, with the API
// server's defaults.
func budgetOf(p *corev1.Probe) time.Duration {
	orElse := func(n, fallback int32) int32 {
		if n <= 0 {
			return fallback
		}
		return n
	}
	seconds := p.InitialDelaySeconds + orElse(p.PeriodSeconds, 10)*orElse(p.FailureThreshold, 3) + orElse(p.TimeoutSeconds, 1)
	return time.Duration(seconds) * time.Second
}
