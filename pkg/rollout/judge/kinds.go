package judge

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// kind is all that is particular to one kind of workload, but for how it is read: that is
// its resource in package rollout.
type kind struct {
	Template func(metav1.Object) cluster.PodSource
	Between  string                                                // the kind between it and its pods, "" for none
	Find     func(cluster.Snapshot, record.Workload) metav1.Object // nil when it is not there
	examine  func(*Judge, cluster.Snapshot, record.Workload, metav1.Object) Status
}

// Kinds are the workloads that can be watched, as in [record.WatchedKinds].
var Kinds = map[string]kind{
	"Deployment": kindOf("ReplicaSet", func(s cluster.Snapshot) []*appsv1.Deployment { return s.Deployments }, (*Judge).deployment,
		func(o *appsv1.Deployment) cluster.PodSource {
			return templated(o.Spec.Selector, &o.Spec.Template, o.Spec.Replicas)
		}),
	"ReplicaSet": kindOf("", func(s cluster.Snapshot) []*appsv1.ReplicaSet { return s.ReplicaSets }, (*Judge).replicaSet,
		func(o *appsv1.ReplicaSet) cluster.PodSource {
			return templated(o.Spec.Selector, &o.Spec.Template, o.Spec.Replicas)
		}),
	"ReplicationController": kindOf("", func(s cluster.Snapshot) []*corev1.ReplicationController { return s.Controllers }, (*Judge).replicationController,
		func(o *corev1.ReplicationController) cluster.PodSource {
			return templated(&metav1.LabelSelector{MatchLabels: o.Spec.Selector}, o.Spec.Template, o.Spec.Replicas)
		}),
	"StatefulSet": kindOf("", func(s cluster.Snapshot) []*appsv1.StatefulSet { return s.StatefulSets }, (*Judge).statefulSet,
		func(o *appsv1.StatefulSet) cluster.PodSource {
			source := templated(o.Spec.Selector, &o.Spec.Template, o.Spec.Replicas)
			source.Claims = len(o.Spec.VolumeClaimTemplates) > 0
			return source
		}),
	"DaemonSet": kindOf("", func(s cluster.Snapshot) []*appsv1.DaemonSet { return s.DaemonSets }, (*Judge).daemonSet,
		func(o *appsv1.DaemonSet) cluster.PodSource { return templated(o.Spec.Selector, &o.Spec.Template, nil) }),
	"Job": kindOf("", func(s cluster.Snapshot) []*batchv1.Job { return s.Jobs }, (*Judge).job,
		func(o *batchv1.Job) cluster.PodSource {
			source := templated(o.Spec.Selector, &o.Spec.Template, nil)
			source.Ends = true
			return source
		}),
	"Pod": kindOf("", func(s cluster.Snapshot) []*corev1.Pod { return s.Pods }, (*Judge).barePod,
		func(o *corev1.Pod) cluster.PodSource {
			return cluster.PodSource{Labels: o.Labels, Spec: o.Spec, Self: true, Ends: podstate.RunsOnce(o) && !podstate.Serves(o)}
		}),
}

// templated is what the spec of a controller says about its pods.
func templated(selector *metav1.LabelSelector, template *corev1.PodTemplateSpec, replicas *int32) cluster.PodSource {
	source := cluster.PodSource{Selector: selector, Replicas: replicas}
	if template != nil {
		source.Labels, source.Spec = template.Labels, template.Spec
	}
	return source
}

// kindOf makes of what is written for one type what serves all.
func kindOf[T metav1.Object](between string, all func(cluster.Snapshot) []T, judged func(*Judge, cluster.Snapshot, record.Workload, T) Status, template func(T) cluster.PodSource) kind {
	return kind{
		Between:  between,
		Template: func(o metav1.Object) cluster.PodSource { return template(o.(T)) }, // an object of the kind
		Find: func(s cluster.Snapshot, w record.Workload) metav1.Object {
			for _, o := range all(s) {
				if o.GetName() == w.Name && o.GetNamespace() == w.Namespace {
					return o
				}
			}
			return nil
		},
		examine: func(j *Judge, s cluster.Snapshot, w record.Workload, o metav1.Object) Status {
			return judged(j, s, w, o.(T)) // what find gave
		},
	}
}
