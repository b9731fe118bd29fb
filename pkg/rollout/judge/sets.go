package judge

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

func (j *Judge) statefulSet(s cluster.Snapshot, w record.Workload, set *appsv1.StatefulSet) Status {
	if notObserved(set.Generation, set.Status.ObservedGeneration, s.Least[w]) {
		return statusNotObserved
	}
	fresh := func(p *corev1.Pod) bool {
		return p.Labels[appsv1.ControllerRevisionHashLabelKey] == set.Status.UpdateRevision
	}
	pods := owned(s, set)
	result := j.pods(s, w, pods, set.Namespace+"/"+set.Status.UpdateRevision, fresh)
	want := replicas(set.Spec.Replicas)
	result.want = max(0, want-partition(set))
	result.progress = fmt.Sprintf("%d of %d new pods ready", result.have, result.want)
	if seconds := set.Spec.MinReadySeconds; seconds > 0 && int(set.Status.AvailableReplicas) < want {
		result.progress += fmt.Sprintf(", %d of %d pods for the %ds of its minReadySeconds", set.Status.AvailableReplicas, want, seconds)
	}
	result.ready = int(set.Status.ReadyReplicas) == want && int(set.Status.AvailableReplicas) == want &&
		int(set.Status.Replicas) == want && int(set.Status.UpdatedReplicas) >= result.want && result.have >= result.want
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		// The pods are replaced by hand, or by an operator: the old ones are right.
		result.want, result.progress = 0, fmt.Sprintf("%d of %d pods ready", set.Status.ReadyReplicas, want)
		result.ready = int(set.Status.ReadyReplicas) == want
	}
	if want == 0 {
		result.Idle, result.Note = true, "StatefulSet/"+set.Name+" has 0 replicas: nothing ran and nothing was proven"
	} else if result.have < want && result.ready {
		result.Note = fmt.Sprintf("StatefulSet/%s: %d of %d pods are of the revision before, as its update strategy wants it", set.Name, want-result.have, want)
	}
	result.troubles = append(result.troubles, j.stuck(&s, set, pods, fresh)...)
	result.addCreation(detect.CreationEvents(&s, "StatefulSet", set, len(pods) >= want))
	result.serving = readyOf(pods)
	return result
}

// partition is how many pods keep their revision.
func partition(set *appsv1.StatefulSet) int {
	if r := set.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil {
		return int(*r.Partition)
	}
	return 0
}

// stuck finds the pod of an earlier revision that a StatefulSet waits for and that
// will never be ready (kubernetes/kubernetes issue 67250).
func (j *Judge) stuck(s *cluster.Snapshot, set *appsv1.StatefulSet, pods []*corev1.Pod, fresh func(*corev1.Pod) bool) []detect.Trouble {
	if set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement || set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return nil
	}
	for _, p := range pods {
		if fresh(p) || podstate.Ready(p) || p.DeletionTimestamp != nil {
			continue
		}
		for _, t := range detect.Pod(s, p, j.failuresOf(p), 0) {
			if rule := j.rules[t.Cause.Code]; rule.Wait || t.Failures > 0 && t.Failures < rule.Failures {
				continue
			}
			t.Cause.Message = fmt.Sprintf("StatefulSet/%s waits for this pod of an earlier revision and does not replace it (%s: %s); deleting it, as a rollback does, frees the rollout",
				set.Name, t.Cause.Reason, detect.Words(t.Cause))
			t.Cause.Code, t.Cause.Reason, t.Failures = causes.StatefulSetStuck, "OrderedReady", 0
			return []detect.Trouble{t}
		}
	}
	return nil
}

func (j *Judge) daemonSet(s cluster.Snapshot, w record.Workload, set *appsv1.DaemonSet) Status {
	if notObserved(set.Generation, set.Status.ObservedGeneration, s.Least[w]) {
		return statusNotObserved
	}
	pods := owned(s, set)
	template := set.Annotations[appsv1.DeprecatedTemplateGeneration]
	result := j.pods(s, w, pods, string(set.UID)+"/"+template, func(p *corev1.Pod) bool { return !oldDaemon(p, template) })
	want := int(set.Status.DesiredNumberScheduled)
	result.want = want
	result.progress = fmt.Sprintf("%d of %d new pods ready", result.have, want)
	lost := j.notTakenUp(&result)
	if lost > 0 && lost < want {
		result.want -= lost
		result.unproven = fmt.Sprintf("%s: the nodes of %d of its %d pods have not begun to start them, and were not waited for", w, lost, want)
	}
	result.ready = int(set.Status.UpdatedNumberScheduled) == want && int(set.Status.NumberAvailable) >= result.want && result.have >= result.want
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		result.want, result.progress = 0, fmt.Sprintf("%d of %d pods ready", set.Status.NumberAvailable, want)
		result.ready = int(set.Status.NumberAvailable) == want
		if result.have < want && result.ready {
			result.Note = fmt.Sprintf("DaemonSet/%s: %d of %d pods are of the revision before, as its update strategy wants it", set.Name, want-result.have, want)
		}
	}
	if want == 0 {
		result.Idle, result.Note = true, "DaemonSet/"+set.Name+" fits no node: nothing ran and nothing was proven"
	}
	result.addCreation(detect.CreationEvents(&s, "DaemonSet", set, len(pods) >= want))
	result.serving = readyOf(pods)
	return result
}

// lostNode is how long a kubelet may take to begin with a pod before its node counts as lost.
const lostNode = 30 * time.Second

// notTakenUp counts the new pods on nodes that are dead: a DaemonSet makes one there, too, and a node
// that was lost long before must not put a healthy release back
// (https://github.com/kubernetes/kubernetes/issues/53023).
func (j *Judge) notTakenUp(result *Status) int {
	n := 0
	for _, m := range result.Members {
		if !m.Fresh || podstate.TakenUp(m.Pod) {
			continue
		}
		if left := lostNode - j.Now.Sub(j.readiness[m.Pod.UID].since); left > 0 {
			result.settles = Soonest(result.settles, left)
			continue
		}
		n++
	}
	return n
}

// oldDaemon reports whether a pod is of an earlier template. The API marks both fields as
// deprecated, but has no other that needs no further watch.
func oldDaemon(p *corev1.Pod, template string) bool {
	pod := p.Labels["pod-template-generation"]
	return pod != "" && template != "" && pod != template
}

func readyOf(pods []*corev1.Pod) []*corev1.Pod {
	var all []*corev1.Pod
	for _, p := range pods {
		if podstate.Ready(p) && p.DeletionTimestamp == nil {
			all = append(all, p)
		}
	}
	return all
}
