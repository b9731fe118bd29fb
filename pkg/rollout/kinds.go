package rollout

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// kind is all that is particular to one kind of workload, but for how it is read: that is
// [resources].
type kind struct {
	template func(metav1.Object) podSource
	between  string                                        // the kind between it and its pods, "" for none
	find     func(snapshot, record.Workload) metav1.Object // nil when it is not there
	examine  func(*judge, snapshot, record.Workload, metav1.Object) status
}

// kinds are the workloads that can be watched, as in [record.WatchedKinds].
var kinds = map[string]kind{
	"Deployment": kindOf("ReplicaSet", func(s snapshot) []*appsv1.Deployment { return s.deployments }, (*judge).deployment,
		func(o *appsv1.Deployment) podSource {
			return templated(o.Spec.Selector, &o.Spec.Template, o.Spec.Replicas)
		}),
	"ReplicaSet": kindOf("", func(s snapshot) []*appsv1.ReplicaSet { return s.replicaSets }, (*judge).replicaSet,
		func(o *appsv1.ReplicaSet) podSource {
			return templated(o.Spec.Selector, &o.Spec.Template, o.Spec.Replicas)
		}),
	"ReplicationController": kindOf("", func(s snapshot) []*corev1.ReplicationController { return s.controllers }, (*judge).replicationController,
		func(o *corev1.ReplicationController) podSource {
			return templated(&metav1.LabelSelector{MatchLabels: o.Spec.Selector}, o.Spec.Template, o.Spec.Replicas)
		}),
	"StatefulSet": kindOf("", func(s snapshot) []*appsv1.StatefulSet { return s.statefulSets }, (*judge).statefulSet,
		func(o *appsv1.StatefulSet) podSource {
			source := templated(o.Spec.Selector, &o.Spec.Template, o.Spec.Replicas)
			source.claims = len(o.Spec.VolumeClaimTemplates) > 0
			return source
		}),
	"DaemonSet": kindOf("", func(s snapshot) []*appsv1.DaemonSet { return s.daemonSets }, (*judge).daemonSet,
		func(o *appsv1.DaemonSet) podSource { return templated(o.Spec.Selector, &o.Spec.Template, nil) }),
	"Job": kindOf("", func(s snapshot) []*batchv1.Job { return s.jobs }, (*judge).job,
		func(o *batchv1.Job) podSource {
			source := templated(o.Spec.Selector, &o.Spec.Template, nil)
			source.ends = true
			return source
		}),
	"Pod": kindOf("", func(s snapshot) []*corev1.Pod { return s.pods }, (*judge).barePod,
		func(o *corev1.Pod) podSource {
			return podSource{labels: o.Labels, spec: o.Spec, self: true, ends: runsOnce(o) && !serves(o)}
		}),
}

// templated is what the spec of a controller says about its pods.
func templated(selector *metav1.LabelSelector, template *corev1.PodTemplateSpec, replicas *int32) podSource {
	source := podSource{selector: selector, replicas: replicas}
	if template != nil {
		source.labels, source.spec = template.Labels, template.Spec
	}
	return source
}

// kindOf makes of what is written for one type what serves all.
func kindOf[T metav1.Object](between string, all func(snapshot) []T, judged func(*judge, snapshot, record.Workload, T) status, template func(T) podSource) kind {
	return kind{
		between:  between,
		template: func(o metav1.Object) podSource { return template(o.(T)) }, // an object of the kind
		find: func(s snapshot, w record.Workload) metav1.Object {
			for _, o := range all(s) {
				if o.GetName() == w.Name && o.GetNamespace() == w.Namespace {
					return o
				}
			}
			return nil
		},
		examine: func(j *judge, s snapshot, w record.Workload, o metav1.Object) status {
			return judged(j, s, w, o.(T)) // what find gave
		},
	}
}
