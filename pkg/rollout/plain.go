package rollout

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// counts are what the controllers that only keep a number of pods tell.
type counts struct{ ready, available, all int32 }

func (j *judge) replicaSet(s snapshot, w record.Workload, rs *appsv1.ReplicaSet) status {
	if notObserved(rs.Generation, rs.Status.ObservedGeneration, s.least[w]) {
		return statusNotObserved
	}
	result := j.counted(s, w, rs, rs.Spec.Replicas, counts{rs.Status.ReadyReplicas, rs.Status.AvailableReplicas, rs.Status.Replicas})
	result.addCreation(creation(rs))
	return result
}

func (j *judge) replicationController(s snapshot, w record.Workload, rc *corev1.ReplicationController) status {
	if notObserved(rc.Generation, rc.Status.ObservedGeneration, s.least[w]) {
		return statusNotObserved
	}
	result := j.counted(s, w, rc, rc.Spec.Replicas, counts{rc.Status.ReadyReplicas, rc.Status.AvailableReplicas, rc.Status.Replicas})
	for _, c := range rc.Status.Conditions {
		if c.Type == corev1.ReplicationControllerReplicaFailure && c.Status == corev1.ConditionTrue {
			result.addCreation([]trouble{rejected(w.String(), c.Reason, c.Message, codePodCreate)})
		}
	}
	return result
}

// counted judges pods of a controller that does not replace them when its template
// changes: all of them count.
func (j *judge) counted(s snapshot, w record.Workload, o metav1.Object, wanted *int32, is counts) status {
	result := j.pods(s, w, owned(s, o), string(o.GetUID()), func(*corev1.Pod) bool { return true })
	result.want = replicas(wanted)
	result.progress = fmt.Sprintf("%d of %d pods ready", result.have, result.want)
	want := int32(result.want)
	result.ready = is.ready == want && is.available == want && is.all == want && result.have == result.want
	if want == 0 {
		result.idle, result.note = true, w.String()+" has 0 replicas: nothing ran and nothing was proven"
	}
	return result
}

// barePod judges a pod without a controller. One that is not restarted for ever is
// done when it has ended well; one that is must be ready.
func (j *judge) barePod(s snapshot, w record.Workload, p *corev1.Pod) status {
	result := j.pods(s, w, []*corev1.Pod{p}, string(p.UID), func(*corev1.Pod) bool { return true })
	result.want, result.progress = 1, fmt.Sprintf("%d of 1 pods ready", result.have)
	switch {
	case p.Status.Phase == corev1.PodSucceeded && runsOnce(p):
		j.finished[w] = true
		return status{ready: true, progress: "complete", batch: true, members: result.members}
	case p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
		return status{progress: "failed", want: 1, members: result.members, troubles: []trouble{j.podEnded(&s, p)}}
	case p.DeletionTimestamp != nil:
		result.progress = "is being deleted"
	}
	result.ready = result.have == 1
	if runsOnce(p) && !serves(p) {
		result.ready, result.batch, result.proven, result.serving = false, true, nil, nil
		result.progress = "runs"
	}
	return result
}

// runsOnce reports whether a pod may end.
func runsOnce(p *corev1.Pod) bool {
	return p.Spec.RestartPolicy == corev1.RestartPolicyNever || p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
}

// serves reports whether a pod says itself when it is ready.
func serves(p *corev1.Pod) bool {
	for _, c := range p.Spec.Containers {
		if c.ReadinessProbe != nil {
			return true
		}
	}
	return false
}

// podEnded is a pod that nobody starts again.
func (j *judge) podEnded(s *snapshot, p *corev1.Pod) trouble {
	t := podTrouble(p, codePodEnded, firstOf(p.Status.Reason, string(p.Status.Phase)), firstOf(p.Status.Message, "it has ended, and nothing starts it again"))
	for _, c := range statuses(p) {
		end := lastExit(c)
		if end == nil || end.ExitCode == 0 && p.Status.Phase == corev1.PodFailed {
			continue
		}
		_, _, more := exitCause(s, p, c, *end)
		t.cause.Container, t.run = c.Name, exitedRun(p, c)
		t.cause.Message = shorten(fmt.Sprintf("exited with %s%s, and nothing starts it again", describeExit(*end), more))
	}
	return t
}
