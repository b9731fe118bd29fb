package rollout

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsinformers "k8s.io/client-go/informers/apps/v1"
	batchinformers "k8s.io/client-go/informers/batch/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	batchclient "k8s.io/client-go/kubernetes/typed/batch/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// kind is all that is particular to one kind of workload.
type kind struct {
	informer func(kubernetes.Interface, string, where) cache.SharedIndexInformer
	get      func(context.Context, kubernetes.Interface, record.Workload) (metav1.Object, error)
	template func(metav1.Object) podSource
	list     func(*watch, *snapshot)        // puts what the informers have into a snapshot
	keep     func(*snapshot, metav1.Object) // puts one object into it
	has      func(snapshot, record.Workload) bool
	examine  func(*judge, snapshot, record.Workload) (status, bool)
}

// podSource is what a workload says about its pods.
type podSource struct {
	selector *metav1.LabelSelector
	labels   map[string]string
	spec     corev1.PodSpec
	claims   bool // pods get claims of their own
	replicas *int32
}

// kinds are the workloads that can be watched, as in [record.IsWatched].
var kinds = map[string]kind{
	"Deployment": row("Deployment",
		func(c kubernetes.Interface, ns string) appsclient.DeploymentInterface {
			return c.AppsV1().Deployments(ns)
		},
		func(c kubernetes.Interface, ns string, w where) cache.SharedIndexInformer {
			return appsinformers.NewFilteredDeploymentInformer(c, ns, 0, cache.Indexers{}, w.tweak)
		},
		func(s *snapshot) *[]*appsv1.Deployment { return &s.deployments },
		func(o *appsv1.Deployment) podSource {
			return podSource{o.Spec.Selector, o.Spec.Template.Labels, o.Spec.Template.Spec, false, o.Spec.Replicas}
		}, (*judge).deployment),
	"ReplicaSet": row("ReplicaSet",
		func(c kubernetes.Interface, ns string) appsclient.ReplicaSetInterface {
			return c.AppsV1().ReplicaSets(ns)
		},
		func(c kubernetes.Interface, ns string, w where) cache.SharedIndexInformer {
			return appsinformers.NewFilteredReplicaSetInformer(c, ns, 0, cache.Indexers{}, w.tweak)
		},
		func(s *snapshot) *[]*appsv1.ReplicaSet { return &s.replicaSets },
		func(o *appsv1.ReplicaSet) podSource {
			return podSource{o.Spec.Selector, o.Spec.Template.Labels, o.Spec.Template.Spec, false, o.Spec.Replicas}
		}, (*judge).replicaSet),
	"ReplicationController": row("ReplicationController",
		func(c kubernetes.Interface, ns string) coreclient.ReplicationControllerInterface {
			return c.CoreV1().ReplicationControllers(ns)
		},
		func(c kubernetes.Interface, ns string, w where) cache.SharedIndexInformer {
			return coreinformers.NewFilteredReplicationControllerInformer(c, ns, 0, cache.Indexers{}, w.tweak)
		},
		func(s *snapshot) *[]*corev1.ReplicationController { return &s.controllers },
		controllerTemplate, (*judge).replicationController),
	"StatefulSet": row("StatefulSet",
		func(c kubernetes.Interface, ns string) appsclient.StatefulSetInterface {
			return c.AppsV1().StatefulSets(ns)
		},
		func(c kubernetes.Interface, ns string, w where) cache.SharedIndexInformer {
			return appsinformers.NewFilteredStatefulSetInformer(c, ns, 0, cache.Indexers{}, w.tweak)
		},
		func(s *snapshot) *[]*appsv1.StatefulSet { return &s.statefulSets },
		func(o *appsv1.StatefulSet) podSource {
			return podSource{o.Spec.Selector, o.Spec.Template.Labels, o.Spec.Template.Spec, len(o.Spec.VolumeClaimTemplates) > 0, o.Spec.Replicas}
		}, (*judge).statefulSet),
	"DaemonSet": row("DaemonSet",
		func(c kubernetes.Interface, ns string) appsclient.DaemonSetInterface {
			return c.AppsV1().DaemonSets(ns)
		},
		func(c kubernetes.Interface, ns string, w where) cache.SharedIndexInformer {
			return appsinformers.NewFilteredDaemonSetInformer(c, ns, 0, cache.Indexers{}, w.tweak)
		},
		func(s *snapshot) *[]*appsv1.DaemonSet { return &s.daemonSets },
		func(o *appsv1.DaemonSet) podSource {
			return podSource{o.Spec.Selector, o.Spec.Template.Labels, o.Spec.Template.Spec, false, nil}
		}, (*judge).daemonSet),
	"Job": row("Job",
		func(c kubernetes.Interface, ns string) batchclient.JobInterface { return c.BatchV1().Jobs(ns) },
		func(c kubernetes.Interface, ns string, w where) cache.SharedIndexInformer {
			return batchinformers.NewFilteredJobInformer(c, ns, 0, cache.Indexers{}, w.tweak)
		},
		func(s *snapshot) *[]*batchv1.Job { return &s.jobs },
		func(o *batchv1.Job) podSource {
			return podSource{o.Spec.Selector, o.Spec.Template.Labels, o.Spec.Template.Spec, false, nil}
		}, (*judge).job),
	"Pod": row("Pod",
		func(c kubernetes.Interface, ns string) coreclient.PodInterface { return c.CoreV1().Pods(ns) },
		func(c kubernetes.Interface, ns string, w where) cache.SharedIndexInformer {
			return coreinformers.NewFilteredPodInformer(c, ns, 0, cache.Indexers{}, w.tweak)
		},
		func(s *snapshot) *[]*corev1.Pod { return &s.pods },
		func(o *corev1.Pod) podSource { return podSource{nil, o.Labels, o.Spec, false, nil} },
		(*judge).barePod),
}

// controllerTemplate: its selector is a plain map.
func controllerTemplate(o *corev1.ReplicationController) podSource {
	t := podSource{selector: &metav1.LabelSelector{MatchLabels: o.Spec.Selector}, replicas: o.Spec.Replicas}
	if o.Spec.Template != nil {
		t.labels, t.spec = o.Spec.Template.Labels, o.Spec.Template.Spec
	}
	return t
}

// row makes of what is written for one type what serves all.
func row[T metav1.Object, G interface {
	Get(context.Context, string, metav1.GetOptions) (T, error)
}](
	name string,
	client func(kubernetes.Interface, string) G,
	informer func(kubernetes.Interface, string, where) cache.SharedIndexInformer,
	in func(*snapshot) *[]T,
	read func(T) podSource,
	judged func(*judge, snapshot, record.Workload, T) status,
) kind {
	find := func(s snapshot, w record.Workload) (T, bool) {
		for _, o := range *in(&s) {
			if o.GetName() == w.Name && o.GetNamespace() == w.Namespace {
				return o, true
			}
		}
		var none T
		return none, false
	}
	return kind{
		informer: informer,
		get: func(ctx context.Context, c kubernetes.Interface, w record.Workload) (metav1.Object, error) {
			return client(c, w.Namespace).Get(ctx, w.Name, metav1.GetOptions{})
		},
		template: func(o metav1.Object) podSource { return read(o.(T)) }, // what get gave
		list:     func(w *watch, s *snapshot) { *in(s) = list[T](w, name) },
		keep:     func(s *snapshot, o metav1.Object) { *in(s) = append(*in(s), o.(T)) }, // what get gave
		examine: func(j *judge, s snapshot, w record.Workload) (status, bool) {
			o, found := find(s, w)
			if !found {
				return status{}, false
			}
			return judged(j, s, w, o), true
		},
		has: func(s snapshot, w record.Workload) bool { _, found := find(s, w); return found },
	}
}
