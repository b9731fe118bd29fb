package database

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// resource reads and changes the workloads of one kind.
type resource struct {
	get   func(ctx context.Context, c kubernetes.Interface, w record.Workload) (metav1.Object, error)
	merge func(ctx context.Context, c kubernetes.Interface, w record.Workload, patch []byte, o metav1.PatchOptions) error
}

// resources are those of [record.WatchedKinds].
var resources = map[string]resource{
	"Deployment":  of(func(c kubernetes.Interface, ns string) api[*appsv1.Deployment] { return c.AppsV1().Deployments(ns) }),
	"ReplicaSet":  of(func(c kubernetes.Interface, ns string) api[*appsv1.ReplicaSet] { return c.AppsV1().ReplicaSets(ns) }),
	"StatefulSet": of(func(c kubernetes.Interface, ns string) api[*appsv1.StatefulSet] { return c.AppsV1().StatefulSets(ns) }),
	"DaemonSet":   of(func(c kubernetes.Interface, ns string) api[*appsv1.DaemonSet] { return c.AppsV1().DaemonSets(ns) }),
	"Job":         of(func(c kubernetes.Interface, ns string) api[*batchv1.Job] { return c.BatchV1().Jobs(ns) }),
	"Pod":         of(func(c kubernetes.Interface, ns string) api[*corev1.Pod] { return c.CoreV1().Pods(ns) }),
	"ReplicationController": of(func(c kubernetes.Interface, ns string) api[*corev1.ReplicationController] {
		return c.CoreV1().ReplicationControllers(ns)
	}),
}

// api is what client-go has for each type.
type api[T any] interface {
	Get(ctx context.Context, name string, o metav1.GetOptions) (T, error)
	Patch(ctx context.Context, name string, pt types.PatchType, data []byte, o metav1.PatchOptions, subresources ...string) (T, error)
}

// of makes of the client of one type what serves all.
func of[T metav1.Object](client func(kubernetes.Interface, string) api[T]) resource {
	return resource{
		get: func(ctx context.Context, c kubernetes.Interface, w record.Workload) (metav1.Object, error) {
			return client(c, w.Namespace).Get(ctx, w.Name, metav1.GetOptions{})
		},
		merge: func(ctx context.Context, c kubernetes.Interface, w record.Workload, patch []byte, o metav1.PatchOptions) error {
			_, err := client(c, w.Namespace).Patch(ctx, w.Name, types.MergePatchType, patch, o)
			return err
		},
	}
}

// get reads a workload; one of a kind that is not watched is an error.
func (o Options) get(ctx context.Context, w record.Workload) (metav1.Object, error) {
	r, known := resources[w.Kind]
	if !known {
		return nil, fmt.Errorf("%s is of a kind that is not known here", w)
	}
	return r.get(ctx, o.Client, w)
}
