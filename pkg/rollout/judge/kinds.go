package judge

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// kind is all that is particular to one kind of workload where its rollout is judged. How
// it is read is its resource in package rollout, what its pods are says package workload.
type kind struct {
	Between string                                                // the kind between it and its pods, "" for none
	Find    func(cluster.Snapshot, record.Workload) metav1.Object // nil when it is not there
	examine func(*Judge, cluster.Snapshot, record.Workload, metav1.Object) Status
}

// Kinds are the workloads that can be watched, as in [record.WatchedKinds].
var Kinds = map[string]kind{
	"Deployment":  kindOf("ReplicaSet", func(s cluster.Snapshot) []*appsv1.Deployment { return s.Deployments }, (*Judge).deployment),
	"ReplicaSet":  kindOf("", func(s cluster.Snapshot) []*appsv1.ReplicaSet { return s.ReplicaSets }, (*Judge).replicaSet),
	"StatefulSet": kindOf("", func(s cluster.Snapshot) []*appsv1.StatefulSet { return s.StatefulSets }, (*Judge).statefulSet),
	"DaemonSet":   kindOf("", func(s cluster.Snapshot) []*appsv1.DaemonSet { return s.DaemonSets }, (*Judge).daemonSet),
	"Job":         kindOf("", func(s cluster.Snapshot) []*batchv1.Job { return s.Jobs }, (*Judge).job),
	"Pod":         kindOf("", func(s cluster.Snapshot) []*corev1.Pod { return s.Pods }, (*Judge).barePod),
	"ReplicationController": kindOf("", func(s cluster.Snapshot) []*corev1.ReplicationController { return s.Controllers },
		(*Judge).replicationController),
}

// SourceOf is what a workload says about its pods; an error for an object that is none.
func SourceOf(object metav1.Object) (cluster.PodSource, error) {
	pods, err := workload.PodsOf(object)
	source := cluster.PodSource{Selector: pods.Selector, Labels: pods.Template.Labels, Spec: pods.Template.Spec, Replicas: pods.Replicas}
	switch o := object.(type) {
	case *appsv1.StatefulSet:
		source.Claims = len(o.Spec.VolumeClaimTemplates) > 0
	case *batchv1.Job:
		source.Ends = true
	case *corev1.Pod:
		source.Self, source.Ends = true, podstate.RunsOnce(o) && !podstate.Serves(o)
	}
	return source, err
}

// kindOf makes of what is written for one type what serves all.
func kindOf[T metav1.Object](between string, all func(cluster.Snapshot) []T, judged func(*Judge, cluster.Snapshot, record.Workload, T) Status) kind {
	return kind{
		Between: between,
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
