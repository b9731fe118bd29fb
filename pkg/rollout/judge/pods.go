package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// Status is what one look says about one workload.
type Status struct {
	ready      bool
	progress   string
	Note       string        // what its completeness does not prove, "" without reservation
	unproven   string        // what of it is not proven although it is ready, "" for nothing
	have       int           // new pods that are ready
	want       int           // new pods that there should be
	serving    []*corev1.Pod // pods that a Service should lead to
	Proven     []*corev1.Pod // new pods that are ready
	Members    []member
	follow     []podstate.Run
	troubles   []detect.Trouble
	Idle       bool          // it wants no pod
	Batch      bool          // its pods end by design
	working    bool          // they run, and none has failed
	recovering bool          // room for another pod may come: see [Judge.roomMayCome]
	settles    time.Duration // when a pod that was not steady will be, 0 for none
}

// member is one pod of a workload.
type member struct {
	Pod     *corev1.Pod
	Fresh   bool // of the revision that is rolled out
	message string
}

// pods examines the pods that a workload owns. fresh picks those of the revision
// that is rolled out; revision names it.
func (j *Judge) pods(s cluster.Snapshot, w record.Workload, owned []*corev1.Pod, revision string, fresh func(*corev1.Pod) bool) Status {
	var result Status
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
			j.goes(w, p.DeletionTimestamp.Time)
		}
		m := member{Pod: p, Fresh: fresh(p)}
		if m.Fresh && (p.Status.Phase != corev1.PodFailed || j.seen.alive(p)) {
			j.living[p.UID] = living{w, p}
		}
		if m.Fresh && p.DeletionTimestamp == nil {
			m.message = j.pod(&result, s, p, j.prove(revision, p))
			result.troubles = append(result.troubles, detect.OtherImages(s, w, p, j.Digest)...)
		}
		result.Members = append(result.Members, m)
	}
	result.troubles = append(result.troubles, j.overused(s, w, owned)...)
	result.recovering = result.recovering || j.roomMayCome(w)
	// A new pod that starts is a hope for one without a node, too: when it is ready, an old
	// one goes (https://github.com/kubernetes/kubernetes/issues/56539).
	for i := range result.troubles {
		result.troubles[i].Recovering = result.troubles[i].Recovering || result.recovering && detect.WaitsForRoom(result.troubles[i])
	}
	slices.SortStableFunc(result.Members, func(a, b member) int {
		switch {
		case a.Fresh == b.Fresh:
			return 0
		case a.Fresh:
			return -1
		}
		return 1
	})
	return result
}

// pod adds one new pod to the status and says what is wrong with it.
func (j *Judge) pod(result *Status, s cluster.Snapshot, p *corev1.Pod, shared bool) string {
	if p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
		t := detect.OfPod(p, causes.PodReplaced, wording.FirstOf(p.Status.Reason, string(p.Status.Phase)), wording.FirstOf(p.Status.Message, "the pod has ended; its controller replaces it"))
		result.troubles = append(result.troubles, t)
		return t.Cause.Message
	}
	history := j.track(p)
	settled, left := j.settled(&s, p, history)
	if settled {
		result.have++
		result.serving = append(result.serving, p)
		result.Proven = append(result.Proven, p)
		return ""
	}
	result.settles = Soonest(result.settles, left)
	result.follow = append(result.follow, podstate.LogSources(p)...)
	troubles := detect.Pod(&s, p, j.failuresOf(p), history.losses)
	failing := false
	for i := range troubles {
		troubles[i].Shared = shared
		troubles[i].Earlier = troubles[i].Earlier || troubles[i].Failures > 0 && p.CreationTimestamp.Time.Before(j.Applied)
		failing = failing || !j.rules[troubles[i].Cause.Code].Wait
	}
	result.recovering = result.recovering || !failing
	result.troubles = append(result.troubles, troubles...)
	if len(troubles) == 0 {
		j.starting = append(j.starting, p)
		return ""
	}
	return fmt.Sprintf("%s: %s", troubles[0].Cause.Reason, troubles[0].Cause.Message)
}

// Unwatched says of the ready pods of each workload what does not make them bad and is wrong
// all the same; one pod stands for all of its workload.
func Unwatched(s *cluster.Snapshot, statuses []Status) (notes []string) {
	for _, status := range statuses {
		if words := unwatched(s, status.Proven); words != "" {
			notes = append(notes, words)
		}
	}
	return notes
}

func unwatched(s *cluster.Snapshot, pods []*corev1.Pod) string {
	for _, p := range pods {
		for _, c := range podstate.Statuses(p) {
			if words := detect.Unwatched(s, p, c.Name); words != "" {
				return "Pod/" + p.Name + " " + words
			}
		}
	}
	return ""
}

// living is a new pod that was seen before it ended: what had ended before the watch
// began says nothing.
type living struct {
	of  record.Workload
	pod *corev1.Pod // as it was then
}

// overused are the new pods of a workload that their nodes ended for their own limits.
func (j *Judge) overused(s cluster.Snapshot, w record.Workload, owned []*corev1.Pod) []detect.Trouble {
	var all []detect.Trouble
	for uid, l := range j.living {
		if l.of != w {
			continue
		}
		if i := slices.IndexFunc(owned, func(p *corev1.Pod) bool { return p.UID == uid }); i >= 0 {
			l.pod = owned[i]
		}
		all = append(all, detect.Overused(&s, l.pod)...)
	}
	slices.SortFunc(all, func(a, b detect.Trouble) int { return strings.Compare(a.Cause.Object, b.Cause.Object) })
	return all
}
