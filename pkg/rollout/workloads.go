package rollout

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// status is what one look says about one workload.
type status struct {
	ready    bool
	progress string
	pods     []pipeline.Pod
	unready  []container
	troubles []trouble
}

// revisionAnnotation is the Deployment controller's number of a template.
const revisionAnnotation = "deployment.kubernetes.io/revision"

func (j *judge) examine(s snapshot, w pipeline.Workload) status {
	var result status
	switch w.Kind {
	case "Deployment":
		if d, ok := find(s.deployments, w); ok {
			result = j.deployment(s, d)
			result.ready = result.ready && d.Generation >= s.least[w]
		}
	case "StatefulSet":
		if set, ok := find(s.statefulSets, w); ok {
			result = j.statefulSet(s, set)
			result.ready = result.ready && set.Generation >= s.least[w]
		}
	case "DaemonSet":
		if set, ok := find(s.daemonSets, w); ok {
			result = j.daemonSet(s, set)
			result.ready = result.ready && set.Generation >= s.least[w]
		}
	case "Job":
		if job, ok := find(s.jobs, w); ok {
			result = j.job(s, job)
		}
	}
	if result.progress == "" {
		result.progress = "not there yet"
	}
	return result
}

func find[T metav1.Object](objects []T, w pipeline.Workload) (T, bool) {
	for _, o := range objects {
		if o.GetName() == w.Name && o.GetNamespace() == w.Namespace {
			return o, true
		}
	}
	var none T
	return none, false
}

// replicas is 1 when it is not set, as the API server's default.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

func (j *judge) deployment(s snapshot, d *appsv1.Deployment) status {
	if d.Status.ObservedGeneration < d.Generation {
		return status{progress: "not seen by its controller yet"}
	}
	object := "Deployment/" + d.Name
	current := newReplicaSet(s.replicaSets, d)
	if current == nil {
		return status{progress: "no ReplicaSet yet", troubles: conditionTroubles(object, d)}
	}
	result := j.pods(s, func(p *corev1.Pod) bool { return metav1.IsControlledBy(p, current) })
	want := replicas(d.Spec.Replicas)
	result.progress = fmt.Sprintf("%d of %d new pods ready", len(result.pods), want)
	if old := d.Status.Replicas - d.Status.UpdatedReplicas; old > 0 {
		result.progress += fmt.Sprintf(", %d old", old)
	}
	result.ready = d.Status.UpdatedReplicas == want && d.Status.Replicas == want &&
		d.Status.AvailableReplicas == want && int32(len(result.pods)) == want
	result.troubles = append(result.troubles, j.creation(current)...)
	result.troubles = append(result.troubles, conditionTroubles(object, d)...)
	return result
}

// newReplicaSet is the one of the Deployment's present template.
func newReplicaSet(all []*appsv1.ReplicaSet, d *appsv1.Deployment) *appsv1.ReplicaSet {
	for _, rs := range all {
		if metav1.IsControlledBy(rs, d) && rs.Annotations[revisionAnnotation] == d.Annotations[revisionAnnotation] {
			return rs
		}
	}
	return nil
}

// conditionTroubles are what the Deployment's controller itself says.
func conditionTroubles(object string, d *appsv1.Deployment) []trouble {
	if d.Spec.Paused {
		return []trouble{{cause: pipeline.Cause{Code: codePaused, Object: object, Reason: "DeploymentPaused",
			Message: "spec.paused is true: Kubernetes does not roll it out; resume it"}, specific: true}}
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded" {
			return []trouble{{cause: pipeline.Cause{Code: codeDeadline, Object: object, Reason: c.Reason, Message: shorten(c.Message)}}}
		}
	}
	return nil
}

// creation are the reasons why a ReplicaSet cannot make its pods.
func (j *judge) creation(rs *appsv1.ReplicaSet) []trouble {
	for _, c := range rs.Status.Conditions {
		if c.Type == appsv1.ReplicaSetReplicaFailure && c.Status == corev1.ConditionTrue {
			return []trouble{j.refused("ReplicaSet/"+rs.Name, c.Reason, c.Message)}
		}
	}
	return nil
}

func (j *judge) statefulSet(s snapshot, set *appsv1.StatefulSet) status {
	if set.Status.ObservedGeneration < set.Generation {
		return status{progress: "not seen by its controller yet"}
	}
	result := j.pods(s, func(p *corev1.Pod) bool {
		return metav1.IsControlledBy(p, set) && p.Labels[appsv1.ControllerRevisionHashLabelKey] == set.Status.UpdateRevision
	})
	want := replicas(set.Spec.Replicas)
	result.progress = fmt.Sprintf("%d of %d new pods ready", len(result.pods), want)
	result.ready = set.Status.ReadyReplicas == want && set.Status.UpdatedReplicas == want && int32(len(result.pods)) == want
	// With OnDelete somebody else replaces the pods: the old ones are right.
	if set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		result.ready = set.Status.ReadyReplicas == want
	}
	result.troubles = append(result.troubles, j.creationEvents(s, "StatefulSet", set.Name)...)
	result.pods = nil // smoke checks are for the application's Deployments
	return result
}

func (j *judge) daemonSet(s snapshot, set *appsv1.DaemonSet) status {
	if set.Status.ObservedGeneration < set.Generation {
		return status{progress: "not seen by its controller yet"}
	}
	result := j.pods(s, func(p *corev1.Pod) bool { return metav1.IsControlledBy(p, set) && !oldDaemon(p, set) })
	want := set.Status.DesiredNumberScheduled
	result.progress = fmt.Sprintf("%d of %d new pods ready", set.Status.NumberAvailable, want)
	result.ready = set.Status.UpdatedNumberScheduled == want && set.Status.NumberAvailable == want
	result.troubles = append(result.troubles, j.creationEvents(s, "DaemonSet", set.Name)...)
	result.pods = nil
	return result
}

// oldDaemon tells a pod of an earlier template. The API marks both fields as
// deprecated, but has no other that needs no further watch.
func oldDaemon(p *corev1.Pod, set *appsv1.DaemonSet) bool {
	pod, template := p.Labels["pod-template-generation"], set.Annotations[appsv1.DeprecatedTemplateGeneration]
	return pod != "" && template != "" && pod != template
}

func (j *judge) job(s snapshot, job *batchv1.Job) status {
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return status{ready: true, progress: "complete"}
		case batchv1.JobFailed:
			return status{progress: "failed", troubles: []trouble{{specific: true,
				cause: pipeline.Cause{Code: codeJob, Object: "Job/" + job.Name, Reason: c.Reason, Message: shorten(c.Message)}}}}
		}
	}
	result := j.pods(s, func(p *corev1.Pod) bool { return metav1.IsControlledBy(p, job) })
	// A Job's pods end by design and its own limit counts their failures.
	return status{progress: fmt.Sprintf("%d active, %d failed", job.Status.Active, job.Status.Failed), unready: result.unready}
}
