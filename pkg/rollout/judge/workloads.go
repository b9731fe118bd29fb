package judge

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
)

// revisionAnnotation is the Deployment controller's number of a template.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// examine looks at one workload.
func (j *Judge) examine(s cluster.Snapshot, w record.Workload) Status {
	k := Kinds[w.Kind]
	if object := k.Find(s, w); object != nil {
		status := k.examine(j, s, w, object)
		j.scaled(s, w, object, &status)
		j.rejections(w, &status)
		return status
	}
	if j.finished[w] || w.Expires {
		return j.expired(s, w)
	}
	return Status{progress: "not there", troubles: []detect.Trouble{{Specific: true, Cause: record.Cause{
		Code: causes.WorkloadDeleted, Object: w.String(), Reason: record.ReasonDeleted, Message: "somebody has deleted it"}}}}
}

// replicas is 1 when it is not set, as the API server's default.
func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// owned are the pods that an object controls.
func owned(s cluster.Snapshot, owners ...metav1.Object) []*corev1.Pod {
	var all []*corev1.Pod
	for _, p := range s.Pods {
		for _, o := range owners {
			if metav1.IsControlledBy(p, o) {
				all = append(all, p)
			}
		}
	}
	return all
}

// notObserved is the status of a workload whose controller, or our cache, has not yet
// caught up with what was applied.
func notObserved(generation, observed, least int64) bool {
	return generation < least || observed < generation
}

var statusNotObserved = Status{progress: "not seen by its controller yet"}

func (j *Judge) deployment(s cluster.Snapshot, w record.Workload, d *appsv1.Deployment) Status {
	object := w.String()
	if d.Generation < s.Least[w] {
		return statusNotObserved
	}
	var sets []metav1.Object
	for _, rs := range s.ReplicaSets {
		if metav1.IsControlledBy(rs, d) {
			sets = append(sets, rs)
		}
	}
	current := newReplicaSet(s.ReplicaSets, d)
	if current == nil || d.Status.ObservedGeneration < d.Generation {
		return notBegun(&s, d, current, heldUp(d, owned(s, sets...)))
	}
	result := j.pods(s, w, owned(s, sets...), string(current.UID), func(p *corev1.Pod) bool { return metav1.IsControlledBy(p, current) })
	result.want = replicas(d.Spec.Replicas)
	result.progress = fmt.Sprintf("%d of %d new pods ready", result.have, result.want)
	if old := d.Status.Replicas - d.Status.UpdatedReplicas; old > 0 {
		result.progress += fmt.Sprintf(", %d old", old)
	}
	want := int32(result.want)
	// Old pods that are terminating are in none of these numbers, and should not be:
	// they have left the endpoints, and how long they take to end is their affair.
	result.ready = d.Status.UpdatedReplicas == want && d.Status.Replicas == want && d.Status.AvailableReplicas == want && result.have == result.want
	if result.have == result.want && current.Status.AvailableReplicas < want && d.Spec.MinReadySeconds > 0 {
		result.progress += fmt.Sprintf(", %d of them for the %ds of its minReadySeconds", current.Status.AvailableReplicas, d.Spec.MinReadySeconds)
	}
	if want == 0 {
		result.Idle, result.Note = true, object+" has 0 replicas: nothing ran and nothing was proven"
	}
	result.addCreation(detect.ReplicaSet(&s, current))
	result.troubles = append(result.troubles, detect.Deployment(d)...)
	return result
}

// notBegun is the status of a Deployment that has no ReplicaSet for its template, or whose
// controller has not said that it has seen it; held is what it waits for.
func notBegun(s *cluster.Snapshot, d *appsv1.Deployment, current *appsv1.ReplicaSet, held string) Status {
	const progress = "no ReplicaSet yet"
	if current == nil && held == "" {
		if why := detect.NoReplicaSet(s, d); why != nil {
			return Status{progress: progress, troubles: why}
		}
	}
	if d.Status.ObservedGeneration < d.Generation {
		return statusNotObserved
	}
	return Status{progress: progress + held, troubles: detect.Deployment(d)}
}

// heldUp names the pods that must end before a Deployment of the strategy Recreate makes new
// ones; "" for none.
func heldUp(d *appsv1.Deployment, old []*corev1.Pod) string {
	if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType || len(old) == 0 {
		return ""
	}
	p := old[0]
	words := ": its strategy Recreate waits for the old pods to end, such as Pod/" + p.Name
	if grace := p.DeletionGracePeriodSeconds; p.DeletionTimestamp != nil && grace != nil {
		words += fmt.Sprintf(", which has %ds for it", *grace)
	}
	return words
}

// newReplicaSet is the one of the Deployment's present template, which is how the
// controller itself finds it. The annotation alone may lag: a Deployment that is
// scaled and changed at once is first scaled.
func newReplicaSet(all []*appsv1.ReplicaSet, d *appsv1.Deployment) *appsv1.ReplicaSet {
	var found *appsv1.ReplicaSet
	for _, rs := range all {
		if metav1.IsControlledBy(rs, d) && sameTemplate(rs.Spec.Template, d.Spec.Template) && (found == nil || rs.CreationTimestamp.Before(&found.CreationTimestamp)) {
			found = rs
		}
	}
	if found != nil && found.Annotations[revisionAnnotation] != d.Annotations[revisionAnnotation] {
		return nil
	}
	return found
}

func sameTemplate(a, b corev1.PodTemplateSpec) bool {
	a.Labels = without(a.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	b.Labels = without(b.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return apiequality.Semantic.DeepEqual(a, b)
}

func without(labels map[string]string, key string) map[string]string {
	rest := make(map[string]string, len(labels))
	for k, v := range labels {
		if k != key {
			rest[k] = v
		}
	}
	return rest
}

// roomGrace is how long a controller may take to notice that a pod of another one is
// gone: it tries again at growing intervals.
const roomGrace = time.Minute

// roomMayCome reports whether room may come by itself for a pod that cannot be made: one is
// going, or went just now. A new pod that starts without trouble is a hope, too: when
// it is ready, an old one goes.
func (j *Judge) roomMayCome(w record.Workload) bool {
	at, known := j.lastGoing[w]
	return known && j.Now.Sub(at) < roomGrace
}

// goes notes that a pod is to be gone at some time. One that outstays it is no hope any more.
func (j *Judge) goes(w record.Workload, at time.Time) {
	if j.Now.Before(at) {
		at = j.Now
	}
	if at.After(j.lastGoing[w]) {
		j.lastGoing[w] = at
	}
}

// addCreation adds why pods cannot be made.
func (s *Status) addCreation(troubles []detect.Trouble) {
	for _, t := range troubles {
		t.Recovering = s.recovering
		s.troubles = append(s.troubles, t)
	}
}
