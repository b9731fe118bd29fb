package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// status is what one look says about one workload.
type status struct {
	ready      bool
	progress   string
	note       string        // what its completeness does not prove, "" without reservation
	have       int           // new pods that are ready
	want       int           // new pods that there should be
	serving    []*corev1.Pod // pods that a Service should lead to
	proven     []*corev1.Pod // new pods that are ready
	members    []member
	follow     []container
	troubles   []trouble
	idle       bool          // it wants no pod
	batch      bool          // its pods end by design
	recovering bool          // room for another pod may come: see [judge.hope]
	settles    time.Duration // when a pod that was not steady will be, 0 for none
}

// member is one pod of a workload.
type member struct {
	pod     *corev1.Pod
	fresh   bool // of the revision that is rolled out
	message string
}

// pods examines the pods that a workload owns. fresh picks those of the revision
// that is rolled out; revision names it.
func (j *judge) pods(s snapshot, w record.Workload, owned []*corev1.Pod, revision string, fresh func(*corev1.Pod) bool) status {
	var result status
	slices.SortFunc(owned, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	// Which pods were ever ready counts for all of them.
	for _, p := range owned {
		if fresh(p) && p.DeletionTimestamp == nil {
			j.prove(revision, p)
		}
	}
	for _, p := range owned {
		j.ours[p.UID] = true
		if p.DeletionTimestamp != nil {
			j.lastGoing[w] = j.now
		}
		m := member{pod: p, fresh: fresh(p)}
		if m.fresh && p.DeletionTimestamp == nil {
			m.message = j.pod(&result, s, p, j.prove(revision, p))
			result.troubles = append(result.troubles, j.differing(s, w, p)...)
		}
		result.members = append(result.members, m)
	}
	result.recovering = result.recovering || j.roomMayCome(w)
	slices.SortStableFunc(result.members, func(a, b member) int {
		switch {
		case a.fresh == b.fresh:
			return 0
		case a.fresh:
			return -1
		}
		return 1
	})
	return result
}

// pod adds one new pod to the status and says what is wrong with it.
func (j *judge) pod(result *status, s snapshot, p *corev1.Pod, shared bool) string {
	if p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
		t := podTrouble(p, codeEvicted, firstOf(p.Status.Reason, string(p.Status.Phase)), firstOf(p.Status.Message, "the pod has ended; its controller replaces it"))
		result.troubles = append(result.troubles, t)
		return t.cause.Message
	}
	history := j.track(p)
	settled, left := j.settled(&s, p, history)
	if settled {
		result.have++
		result.serving = append(result.serving, p)
		result.proven = append(result.proven, p)
		return ""
	}
	result.settles = soonest(result.settles, left)
	result.follow = append(result.follow, logSources(p)...)
	troubles := j.podTroubles(&s, p, history)
	failing := false
	for i := range troubles {
		troubles[i].shared = shared
		failing = failing || !j.rules[troubles[i].cause.Code].Wait
	}
	result.recovering = result.recovering || !failing
	result.troubles = append(result.troubles, troubles...)
	if len(troubles) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s", troubles[0].cause.Reason, troubles[0].cause.Message)
}

// podTroubles are what is wrong with one pod: what its containers show, then
// where it is stuck before them, then what is merely waited for.
func (j *judge) podTroubles(s *snapshot, p *corev1.Pod, history readiness) []trouble {
	var all []trouble
	for _, c := range statuses(p) {
		if t, found := waitingTrouble(s, p, c); found {
			all = append(all, t)
			continue
		}
		if t, found := lineTrouble(s, p, c); found {
			all = append(all, t)
		}
		if t, found := probeTrouble(s, p, c); found {
			all = append(all, t)
		}
		if t, found := j.exitTrouble(s, p, c); found {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		claims := claimTroubles(s, p)
		all = slices.Concat(claims, schedulingTroubles(s, p, len(claims) > 0), volumeTroubles(s, p))
	}
	if history.losses >= 2 {
		t := podTrouble(p, codeFlapping, "NotReady", fmt.Sprintf("it was ready and lost its readiness %d times", history.losses))
		if e := s.latest(p, "", "Unhealthy"); e != nil {
			t.cause.Container, t.cause.Message = containerOf(e), shorten(t.cause.Message+": "+e.Message)
		}
		all = append([]trouble{t}, all...)
	}
	return append(all, waitTroubles(p)...)
}

// podTrouble is one about a pod as a whole.
func podTrouble(p *corev1.Pod, code, reason, message string) trouble {
	return trouble{specific: true, cause: record.Cause{Code: code, Object: "Pod/" + p.Name, Reason: reason, Message: shorten(message)}}
}

// firstOf is the first that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// logSources are the containers of a pod whose log may say why it is not ready: they
// run, or have just ended.
func logSources(p *corev1.Pod) []container {
	var all []container
	for _, c := range statuses(p) {
		done := c.State.Terminated != nil && c.State.Terminated.ExitCode == 0
		if (!c.Ready || unprobed(p, c.Name)) && !done && (c.State.Running != nil || c.State.Terminated != nil || c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff") {
			all = append(all, containerKey(p, c))
		}
	}
	return all
}
