package rollout

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// apiResource is how one kind is read from the API server.
type apiResource struct {
	get      func(ctx context.Context, c kubernetes.Interface, namespace, name string) (metav1.Object, error)
	informer func(c kubernetes.Interface, namespace string, at where) cache.SharedIndexInformer
}

// resources are the kinds that are read: all workloads, and what explains them.
var resources = map[string]apiResource{
	"Deployment": reads(func(c kubernetes.Interface, ns string) api[*appsv1.Deployment, *appsv1.DeploymentList] {
		return c.AppsV1().Deployments(ns)
	}),
	"ReplicaSet": reads(func(c kubernetes.Interface, ns string) api[*appsv1.ReplicaSet, *appsv1.ReplicaSetList] {
		return c.AppsV1().ReplicaSets(ns)
	}),
	"ReplicationController": reads(func(c kubernetes.Interface, ns string) api[*corev1.ReplicationController, *corev1.ReplicationControllerList] {
		return c.CoreV1().ReplicationControllers(ns)
	}),
	"StatefulSet": reads(func(c kubernetes.Interface, ns string) api[*appsv1.StatefulSet, *appsv1.StatefulSetList] {
		return c.AppsV1().StatefulSets(ns)
	}),
	"DaemonSet": reads(func(c kubernetes.Interface, ns string) api[*appsv1.DaemonSet, *appsv1.DaemonSetList] {
		return c.AppsV1().DaemonSets(ns)
	}),
	"Job": reads(func(c kubernetes.Interface, ns string) api[*batchv1.Job, *batchv1.JobList] {
		return c.BatchV1().Jobs(ns)
	}),
	"Pod": reads(func(c kubernetes.Interface, ns string) api[*corev1.Pod, *corev1.PodList] { return c.CoreV1().Pods(ns) }),
	"Event": reads(func(c kubernetes.Interface, ns string) api[*corev1.Event, *corev1.EventList] {
		return c.CoreV1().Events(ns)
	}),
	"PersistentVolumeClaim": reads(func(c kubernetes.Interface, ns string) api[*corev1.PersistentVolumeClaim, *corev1.PersistentVolumeClaimList] {
		return c.CoreV1().PersistentVolumeClaims(ns)
	}),
	"HorizontalPodAutoscaler": reads(func(c kubernetes.Interface, ns string) api[*autoscalingv2.HorizontalPodAutoscaler, *autoscalingv2.HorizontalPodAutoscalerList] {
		return c.AutoscalingV2().HorizontalPodAutoscalers(ns)
	}),
	"EndpointSlice": reads(func(c kubernetes.Interface, ns string) api[*discoveryv1.EndpointSlice, *discoveryv1.EndpointSliceList] {
		return c.DiscoveryV1().EndpointSlices(ns)
	}),
}

// api is what client-go has for each type.
type api[T, L any] interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (T, error)
	List(ctx context.Context, o metav1.ListOptions) (L, error)
	Watch(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error)
}

// reads makes of the client of one type what serves all.
func reads[O any, T interface {
	*O
	metav1.Object
	runtime.Object
}, L runtime.Object](client func(kubernetes.Interface, string) api[T, L]) apiResource {
	return apiResource{
		get: func(ctx context.Context, c kubernetes.Interface, namespace, name string) (metav1.Object, error) {
			return client(c, namespace).Get(ctx, name, metav1.GetOptions{})
		},
		informer: func(c kubernetes.Interface, namespace string, at where) cache.SharedIndexInformer {
			lists := &cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
					at.tweak(&o)
					return client(c, namespace).List(ctx, o)
				},
				WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
					at.tweak(&o)
					return client(c, namespace).Watch(ctx, o)
				},
			}
			return cache.NewSharedIndexInformer(cache.ToListWatcherWithWatchListSemantics(lists, c), T(new(O)), 0, cache.Indexers{})
		},
	}
}
