package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// unreadyGrace is how long a pod may lose its readiness while it is being held.
const unreadyGrace = 10 * time.Second

// hold is what must stay as it was when the hold began.
type hold struct {
	judge    *Judge
	seen     *Seen
	wanted   []int                   // new pods that each workload must keep
	failures map[types.UID]int       // exits of a pod's containers when it was first ready
	unready  map[types.UID]time.Time // since when a pod is not ready
}

// NewHold begins to hold what a judge sees.
func NewHold(j *Judge, seen *Seen) *hold {
	j.seen = seen
	return &hold{judge: j, seen: seen, failures: map[types.UID]int{}, unready: map[types.UID]time.Time{}}
}

// Judged gives what is not stable, or when time alone may make it so.
func (h *hold) Judged(s cluster.Snapshot, look Verdict) (*detect.Trouble, time.Duration) {
	if h.wanted == nil {
		for _, s := range look.Statuses {
			h.wanted = append(h.wanted, s.want)
		}
	}
	var again time.Duration
	for _, status := range look.Statuses {
		for _, m := range status.Members {
			if !m.Fresh || status.Batch || m.Pod.DeletionTimestamp != nil || podstate.BeingRemoved(m.Pod) {
				continue
			}
			t, left := h.pod(&s, m.Pod)
			if t != nil {
				return t, 0
			}
			again = Soonest(again, left)
		}
	}
	if t := look.Failed; t != nil && (h.Short(look) || t.Cause.Code == causes.StorageExceeded) {
		t.Cause.Message += " [" + t.Cause.Code + "]"
		t.Cause.Code = causes.NotStable
		return t, 0
	}
	return nil, again
}

// pod judges one new pod. One that was never ready has only just been made:
// whether enough pods are there counts, and the judge's own rules.
func (h *hold) pod(s *cluster.Snapshot, p *corev1.Pod) (*detect.Trouble, time.Duration) {
	before, known := h.failures[p.UID]
	count := 0
	for _, c := range podstate.Statuses(p) {
		count += h.judge.failures(p, c)
		if n, seen := h.seen.known(podstate.IDOf(p, c.Name)); seen && (c.RestartCount > n || podstate.Looping(c)) {
			return h.exited(s, p), 0
		}
		if t := cmp.Or(h.killed(s, p, c), h.doomed(s, p, c)); t != nil {
			return t, 0
		}
	}
	switch {
	case known && count > before:
		return h.exited(s, p), 0
	case podstate.Ready(p):
		delete(h.unready, p.UID)
		if !known {
			h.failures[p.UID] = count
		}
		return nil, 0
	case !known || podstate.ContainersReady(p):
		return nil, 0 // containers that are ready have lost their node or a readiness gate
	}
	since, known := h.unready[p.UID]
	if !known {
		since = h.judge.Now
		h.unready[p.UID] = since
	}
	if left := unreadyGrace - h.judge.Now.Sub(since); left > 0 {
		return nil, left
	}
	return unstable(p, corev1.ContainerStatus{}, "NotReady", fmt.Sprintf("it was ready and has not been for %.0fs", unreadyGrace.Seconds())), 0
}

// killed is a container that is being killed for its liveness: it may take half a
// minute to end.
func (h *hold) killed(s *cluster.Snapshot, p *corev1.Pod, c corev1.ContainerStatus) *detect.Trouble {
	e := s.Latest(p, c.Name, "Killing")
	if e == nil || c.State.Running == nil || !events.SeenAt(e).After(c.State.Running.StartedAt.Time) || !strings.Contains(e.Message, "failed liveness probe") {
		return nil
	}
	return unstable(p, c, e.Reason, "it is killed because its liveness probe failed"+detect.ProbeWords(s, p, c.Name, "Liveness"))
}

// doomed is a container whose liveness probe has failed ever since for as long as a hold
// waits, although its budget is larger: it will be killed after the hold.
func (h *hold) doomed(s *cluster.Snapshot, p *corev1.Pod, c corev1.ContainerStatus) *detect.Trouble {
	i := slices.IndexFunc(p.Spec.Containers, func(own corev1.Container) bool { return own.Name == c.Name })
	if i < 0 || c.State.Running == nil || p.Spec.Containers[i].LivenessProbe == nil || !h.judge.failsLiveness(s, p, p.Spec.Containers[i]) {
		return nil
	}
	became := h.judge.becameReady(p)
	ready, ends := h.judge.Now.Sub(became), livenessEnds(p.Spec.Containers[i], c.State.Running.StartedAt.Time, became)
	if ready < mostFailing || ready > ends {
		return nil
	}
	return unstable(p, c, "Unhealthy", fmt.Sprintf("its liveness probe still fails %.0fs after it was ready, and has it killed after %.0fs", ready.Seconds(), ends.Seconds())+detect.ProbeWords(s, p, c.Name, "Liveness"))
}

// exited names the container that ended last.
func (h *hold) exited(s *cluster.Snapshot, p *corev1.Pod) *detect.Trouble {
	var last corev1.ContainerStatus
	for _, c := range podstate.Statuses(p) {
		end := podstate.LastExit(c)
		if end != nil && (h.judge.failures(p, c) > 0 || h.restarted(p, c)) && (podstate.LastExit(last) == nil || end.FinishedAt.After(podstate.LastExit(last).FinishedAt.Time)) {
			last = c
		}
	}
	message, locked := "exited", false
	if end := podstate.LastExit(last); end != nil {
		_, _, more := detect.ExitCause(s, p, last, *end)
		message += " with " + podstate.DescribeExit(*end) + more
		locked = backstage.MetLock(end.Message)
	}
	t := unstable(p, last, wording.FirstOf(podstate.StateWord(last), "Restarted"), message)
	t.Cause.MetLock = locked
	return t
}

// restarted reports whether a container has been since the Watch before.
func (h *hold) restarted(p *corev1.Pod, c corev1.ContainerStatus) bool {
	n, seen := h.seen.known(podstate.IDOf(p, c.Name))
	return seen && c.RestartCount > n
}

func unstable(p *corev1.Pod, c corev1.ContainerStatus, reason, message string) *detect.Trouble {
	t := detect.OfPod(p, causes.NotStable, reason, message)
	t.Cause.Container = c.Name
	if c.Name != "" {
		t.Run = podstate.ExitedRun(p, c)
	}
	return &t
}

// Short reports whether a workload has fewer new pods than it must keep.
func (h *hold) Short(look Verdict) bool {
	for i, s := range look.Statuses {
		if s.have < min(h.wanted[i], s.want) {
			return true
		}
	}
	return false
}
