package rollout

import (
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SoakAuto leaves it to Hold how long to watch: until each new pod has outlived the
// first budget of its liveness probes, at least ten seconds and at most thirty after
// it became ready. Pods that have been ready for longer need no further watching.
const SoakAuto time.Duration = 0

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
	restarts map[containerID]int32
}

// keep remembers the restarts of pods that are ready.
func (s *Seen) keep(look verdict) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts = map[containerID]int32{}
	for _, status := range look.statuses {
		for _, p := range status.proven {
			for _, c := range statuses(p) {
				s.restarts[containerID{p.UID, c.Name}] = c.RestartCount
			}
		}
	}
}

// known is how often the container of a pod had been restarted when it was ready.
func (s *Seen) known(uid types.UID, name string) (int32, bool) {
	if s == nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, found := s.restarts[containerID{uid, name}]
	return n, found
}

// soakLeft is how long the new pods of a look must still be watched.
func (j *judge) soakLeft(s snapshot, look verdict) time.Duration {
	var left time.Duration
	for _, status := range look.statuses {
		for _, m := range status.members {
			if m.fresh && !status.batch && m.pod.DeletionTimestamp == nil && ready(m.pod) {
				left = max(left, j.podSoakLeft(&s, m.pod))
			}
		}
	}
	return left
}

// podSoakLeft is how long a ready pod must still be watched. One whose liveness probe fails
// right now is watched until the probe has had its say.
func (j *judge) podSoakLeft(s *snapshot, p *corev1.Pod) time.Duration {
	became := j.now
	if c := condition(p, corev1.PodReady); c != nil && c.LastTransitionTime.Time.Before(became) {
		became = c.LastTransitionTime.Time
	}
	if known := j.readiness[p.UID]; known.ready && known.losses > 0 {
		became = known.since
	}
	until := leastSoak
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		i := slices.IndexFunc(statuses(p), func(status corev1.ContainerStatus) bool { return status.Name == c.Name })
		if i < 0 || c.LivenessProbe == nil {
			continue
		}
		running := statuses(p)[i].State.Running
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
	return max(0, became.Add(until).Sub(j.now))
}

// failsLiveness reports whether the liveness probe of a container has failed just now.
func (j *judge) failsLiveness(s *snapshot, p *corev1.Pod, c corev1.Container) bool {
	window := time.Duration(max(1, c.LivenessProbe.PeriodSeconds))*time.Second + time.Duration(max(1, c.LivenessProbe.TimeoutSeconds))*time.Second + soakMargin
	return slices.ContainsFunc(s.byUID[p.UID], func(e *corev1.Event) bool {
		return e.Reason == "Unhealthy" && containerOf(e) == c.Name && strings.HasPrefix(e.Message, "Liveness") && j.now.Sub(seenAt(e)) <= window
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
