package judge

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// counts are what the controllers that only keep a number of pods tell.
type counts struct{ ready, available, all int32 }

func (j *Judge) replicaSet(s cluster.Snapshot, w record.Workload, rs *appsv1.ReplicaSet) Status {
	if notObserved(rs.Generation, rs.Status.ObservedGeneration, s.Least[w]) {
		return statusNotObserved
	}
	result := j.counted(s, w, rs, rs.Spec.Replicas, counts{rs.Status.ReadyReplicas, rs.Status.AvailableReplicas, rs.Status.Replicas})
	result.addCreation(detect.ReplicaSet(&s, rs))
	return result
}

func (j *Judge) replicationController(s cluster.Snapshot, w record.Workload, rc *corev1.ReplicationController) Status {
	if notObserved(rc.Generation, rc.Status.ObservedGeneration, s.Least[w]) {
		return statusNotObserved
	}
	result := j.counted(s, w, rc, rc.Spec.Replicas, counts{rc.Status.ReadyReplicas, rc.Status.AvailableReplicas, rc.Status.Replicas})
	for _, c := range rc.Status.Conditions {
		if c.Type == corev1.ReplicationControllerReplicaFailure && c.Status == corev1.ConditionTrue {
			result.addCreation([]detect.Trouble{detect.Rejected(w.String(), c.Reason, c.Message, causes.PodNotCreated)})
		}
	}
	return result
}

// counted judges pods of a controller that does not replace them when its template
// changes: all of them count.
func (j *Judge) counted(s cluster.Snapshot, w record.Workload, o metav1.Object, wanted *int32, is counts) Status {
	result := j.pods(s, w, owned(s, o), string(o.GetUID()), func(*corev1.Pod) bool { return true })
	result.want = replicas(wanted)
	result.progress = fmt.Sprintf("%d of %d pods ready", result.have, result.want)
	want := int32(result.want)
	result.ready = is.ready == want && is.available == want && is.all == want && result.have == result.want
	if want == 0 {
		result.Idle, result.Note = true, w.String()+" has 0 replicas: nothing ran and nothing was proven"
	}
	return result
}

// barePod judges a pod without a controller. One that is not restarted for ever is
// done when it has ended well, and waited for as a Job is
// (https://github.com/argoproj/argo-cd/issues/15317); one that is must be ready.
func (j *Judge) barePod(s cluster.Snapshot, w record.Workload, p *corev1.Pod) Status {
	result := j.pods(s, w, []*corev1.Pod{p}, string(p.UID), func(*corev1.Pod) bool { return true })
	result.want, result.progress = 1, fmt.Sprintf("%d of 1 pods ready", result.have)
	switch {
	case p.Status.Phase == corev1.PodSucceeded && podstate.RunsOnce(p):
		j.finished[w] = true
		return Status{ready: true, progress: "complete", Batch: true, Members: result.Members}
	case p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
		return Status{progress: "failed", want: 1, Members: result.Members, troubles: []detect.Trouble{detect.EndedPod(&s, p)}}
	case p.DeletionTimestamp != nil:
		result.progress = "is being deleted"
	}
	result.ready = result.have == 1
	if podstate.RunsOnce(p) && !podstate.Serves(p) {
		result.ready, result.Batch, result.Proven, result.serving = false, true, nil, nil
		result.progress = "runs"
		result.working = atWork([]*corev1.Pod{p}) == 1 && runsWell(result.troubles)
	}
	return result
}
