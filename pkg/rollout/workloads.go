package rollout

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// revisionAnnotation is the Deployment controller's number of a template.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// examine looks at one workload.
func (j *judge) examine(s snapshot, w record.Workload) status {
	k := kinds[w.Kind]
	if object := k.find(s, w); object != nil {
		return k.examine(j, s, w, object)
	}
	if j.finished[w] || w.Expires {
		return j.expired(s, w)
	}
	return status{progress: "not there", troubles: []trouble{{specific: true, cause: record.Cause{
		Code: codeDeleted, Object: w.String(), Reason: "NotFound", Message: "somebody has deleted it"}}}}
}

// replicas is 1 when it is not set, as the API server's default.
func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// owned are the pods that an object controls.
func owned(s snapshot, owners ...metav1.Object) []*corev1.Pod {
	var all []*corev1.Pod
	for _, p := range s.pods {
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

var statusNotObserved = status{progress: "not seen by its controller yet"}

func (j *judge) deployment(s snapshot, w record.Workload, d *appsv1.Deployment) status {
	object := w.String()
	if notObserved(d.Generation, d.Status.ObservedGeneration, s.least[w]) {
		return statusNotObserved
	}
	var sets []metav1.Object
	for _, rs := range s.replicaSets {
		if metav1.IsControlledBy(rs, d) {
			sets = append(sets, rs)
		}
	}
	current := newReplicaSet(s.replicaSets, d)
	if current == nil {
		return status{progress: "no ReplicaSet yet", troubles: conditionTroubles(object, d, true)}
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
	if result.have == result.want && d.Status.AvailableReplicas < want && d.Spec.MinReadySeconds > 0 {
		result.progress += fmt.Sprintf(", %d of them for %ds", d.Status.AvailableReplicas, d.Spec.MinReadySeconds)
	}
	if want == 0 {
		result.idle, result.note = true, object+" has 0 replicas: nothing ran and nothing was proven"
	}
	result.addCreation(creation(current))
	result.troubles = append(result.troubles, conditionTroubles(object, d, false)...)
	return result
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

// conditionTroubles are what the Deployment's controller itself says.
func conditionTroubles(object string, d *appsv1.Deployment, noReplicaSet bool) []trouble {
	if d.Spec.Paused {
		return []trouble{{specific: true, cause: record.Cause{Code: codePaused, Object: object, Reason: "DeploymentPaused",
			Message: "spec.paused is true: Kubernetes does not roll it out; resume it"}}}
	}
	for _, c := range d.Status.Conditions {
		if c.Type != appsv1.DeploymentProgressing || c.Status != corev1.ConditionFalse {
			continue
		}
		switch {
		case c.Reason == "ProgressDeadlineExceeded":
			return []trouble{{cause: record.Cause{Code: codeDeadline, Object: object, Reason: c.Reason, Message: shorten(c.Message)}}}
		case c.Reason == "ReplicaSetCreateError" && noReplicaSet:
			return []trouble{rejected(object, c.Reason, c.Message, codeReplicaSet)}
		}
	}
	return nil
}
