package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// unreadyGrace is how long a pod may lose its readiness while it is being held.
const unreadyGrace = 10 * time.Second

// Hold watches a complete rollout for that long, or as long as [SoakAuto] says. A new
// pod that ends, crashes, is killed for its liveness, or is not ready for more than
// ten seconds is a cause with the code rollout/not-stable. A pod that somebody takes
// away (an autoscaler, a drained node, an eviction) is none, once as many new pods are
// ready as were when the hold began, or as are still wanted; when the time is over
// Hold waits on for that, until the deadline of ctx. An error means that the watch did
// not work, that ctx was cancelled, or that its deadline passed before the time was
// over without anything having gone wrong.
func Hold(ctx context.Context, o Options, applied record.Applied, duration time.Duration) (*record.Cause, error) {
	v, stop, err := begin(ctx, o, applied)
	if err != nil {
		return nil, err
	}
	defer stop()
	var cause *record.Cause
	err = record.Guard(func() (err error) { //nolint:contextcheck // a wait has the context of the call that made it
		cause, err = v.hold(duration)
		return err
	})
	return cause, panicked(err)
}

func (v *wait) hold(duration time.Duration) (*record.Cause, error) {
	v.shown, v.logged = allReady, time.Now() // the rollout has said it
	h := hold{judge: v.judge, seen: v.Seen, failures: map[types.UID]int{}, unready: map[types.UID]time.Time{}}
	for {
		s, look := v.observe()
		t, again := h.judged(s, look)
		left := duration - time.Since(v.start)
		if duration == SoakAuto {
			left = v.judge.soakLeft(s, look)
		}
		switch {
		case t != nil:
			return v.explained(*t), nil
		case left <= 0 && !h.short(look):
			return nil, nil
		}
		if left > 0 {
			again = soonest(again, left)
		}
		err := v.sleep(soonest(again, look.again))
		if errors.Is(err, context.DeadlineExceeded) && h.short(look) {
			t := v.judge.timeout(look.progress, time.Since(v.start))
			t.cause.Code = codeUnstable
			return v.explained(t), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// hold is what must stay as it was when the hold began.
type hold struct {
	judge    *judge
	seen     *Seen
	wanted   []int                   // new pods that each workload must keep
	failures map[types.UID]int       // exits of a pod's containers when it was first ready
	unready  map[types.UID]time.Time // since when a pod is not ready
}

// judged gives what is not stable, or when time alone may make it so.
func (h *hold) judged(s snapshot, look verdict) (*trouble, time.Duration) {
	if h.wanted == nil {
		for _, s := range look.statuses {
			h.wanted = append(h.wanted, s.want)
		}
	}
	var again time.Duration
	for _, status := range look.statuses {
		for _, m := range status.members {
			if !m.fresh || status.batch || m.pod.DeletionTimestamp != nil || leaving(m.pod) {
				continue
			}
			t, left := h.pod(&s, m.pod)
			if t != nil {
				return t, 0
			}
			again = soonest(again, left)
		}
	}
	if t := look.failed; t != nil && h.short(look) {
		t.cause.Message += " [" + t.cause.Code + "]"
		t.cause.Code = codeUnstable
		return t, 0
	}
	return nil, again
}

// pod judges one new pod. One that was never ready has only just been made:
// whether enough pods are there counts, and the judge's own rules.
func (h *hold) pod(s *snapshot, p *corev1.Pod) (*trouble, time.Duration) {
	before, known := h.failures[p.UID]
	count := 0
	for _, c := range statuses(p) {
		count += h.judge.failures(p, c)
		if n, seen := h.seen.known(p.UID, c.Name); seen && (c.RestartCount > n || looping(c)) {
			return h.exited(s, p), 0
		}
		if t := h.killed(s, p, c); t != nil {
			return t, 0
		}
	}
	switch {
	case known && count > before:
		return h.exited(s, p), 0
	case ready(p):
		delete(h.unready, p.UID)
		if !known {
			h.failures[p.UID] = count
		}
		return nil, 0
	case !known || containersReady(p):
		return nil, 0 // containers that are ready have lost their node or a readiness gate
	}
	since, known := h.unready[p.UID]
	if !known {
		since = h.judge.now
		h.unready[p.UID] = since
	}
	if left := unreadyGrace - h.judge.now.Sub(since); left > 0 {
		return nil, left
	}
	return unstable(p, corev1.ContainerStatus{}, "NotReady", fmt.Sprintf("it was ready and has not been for %.0fs", unreadyGrace.Seconds())), 0
}

// killed is a container that is being killed for its liveness: it may take half a
// minute to end.
func (h *hold) killed(s *snapshot, p *corev1.Pod, c corev1.ContainerStatus) *trouble {
	e := s.latest(p, c.Name, "Killing")
	if e == nil || c.State.Running == nil || !seenAt(e).After(c.State.Running.StartedAt.Time) || !strings.Contains(e.Message, "failed liveness probe") {
		return nil
	}
	return unstable(p, c, e.Reason, "it is killed because its liveness probe failed"+probeWords(s, p, c.Name, "Liveness"))
}

// exited names the container that ended last.
func (h *hold) exited(s *snapshot, p *corev1.Pod) *trouble {
	var last corev1.ContainerStatus
	for _, c := range statuses(p) {
		end := lastExit(c)
		if end != nil && (h.judge.failures(p, c) > 0 || h.restarted(p, c)) && (lastExit(last) == nil || end.FinishedAt.After(lastExit(last).FinishedAt.Time)) {
			last = c
		}
	}
	message := "exited"
	if end := lastExit(last); end != nil {
		_, _, more := exitCause(s, p, last, *end)
		message += " with " + describeExit(*end) + more
	}
	return unstable(p, last, firstOf(stateWord(last), "Restarted"), message)
}

// restarted reports whether a container has been since the Watch before.
func (h *hold) restarted(p *corev1.Pod, c corev1.ContainerStatus) bool {
	n, seen := h.seen.known(p.UID, c.Name)
	return seen && c.RestartCount > n
}

func unstable(p *corev1.Pod, c corev1.ContainerStatus, reason, message string) *trouble {
	t := podTrouble(p, codeUnstable, reason, message)
	t.cause.Container = c.Name
	if c.Name != "" {
		t.run = exitedRun(p, c)
	}
	return &t
}

// leaving reports whether somebody takes a pod away.
func leaving(p *corev1.Pod) bool {
	if c := condition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return true
	}
	return p.Status.Phase == corev1.PodFailed && p.Status.Reason != ""
}

// short reports whether a workload has fewer new pods than it must keep.
func (h *hold) short(look verdict) bool {
	for i, s := range look.statuses {
		if s.have < min(h.wanted[i], s.want) {
			return true
		}
	}
	return false
}
