package rollout

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// target is a workload as it was read first: what tells which objects are its own.
type target struct {
	pipeline.Workload
	generation int64
	selector   string
	claims     bool // its pods mount claims
}

// mountsClaims tells whether pods of that template may wait for a claim.
func mountsClaims(spec corev1.PodSpec) bool {
	for _, v := range spec.Volumes {
		if v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			return true
		}
	}
	return false
}

// retried reads again after an error that an API server gives which restarts right
// now: that must not end a healthy rollout. What is a clear no ends it.
func retried[T any](ctx context.Context, read func() (T, error)) (T, error) {
	var refused time.Time
	for {
		value, err := read()
		switch {
		case err == nil, apierrors.IsNotFound(err), errors.Is(err, errKind):
			return value, err
		case !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err):
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		case time.Since(refused) >= patience:
			return value, err
		}
		select {
		case <-ctx.Done():
			return value, err
		case <-time.After(retryPause):
		}
	}
}

// errKind is returned for a workload of a kind that has no rollout.
var errKind = errors.New("this kind cannot be watched; Deployment, StatefulSet, DaemonSet and Job can")

// readTarget reads a workload past every cache.
func readTarget(ctx context.Context, client kubernetes.Interface, w pipeline.Workload) (target, error) {
	get := metav1.GetOptions{}
	switch w.Kind {
	case "Deployment":
		d, err := client.AppsV1().Deployments(w.Namespace).Get(ctx, w.Name, get)
		if err != nil {
			return target{}, err
		}
		return newTarget(w, d.Generation, d.Spec.Selector, mountsClaims(d.Spec.Template.Spec))
	case "StatefulSet":
		s, err := client.AppsV1().StatefulSets(w.Namespace).Get(ctx, w.Name, get)
		if err != nil {
			return target{}, err
		}
		return newTarget(w, s.Generation, s.Spec.Selector, mountsClaims(s.Spec.Template.Spec) || len(s.Spec.VolumeClaimTemplates) > 0)
	case "DaemonSet":
		d, err := client.AppsV1().DaemonSets(w.Namespace).Get(ctx, w.Name, get)
		if err != nil {
			return target{}, err
		}
		return newTarget(w, d.Generation, d.Spec.Selector, mountsClaims(d.Spec.Template.Spec))
	case "Job":
		j, err := client.BatchV1().Jobs(w.Namespace).Get(ctx, w.Name, get)
		if err != nil {
			return target{}, err
		}
		return newTarget(w, j.Generation, j.Spec.Selector, mountsClaims(j.Spec.Template.Spec))
	}
	return target{}, errKind
}

func newTarget(w pipeline.Workload, generation int64, selector *metav1.LabelSelector, claims bool) (target, error) {
	parsed, err := selectorOf(selector)
	return target{Workload: w, generation: generation, selector: parsed, claims: claims}, err
}

// selectorOf gives "" for a selector that is not set.
func selectorOf(selector *metav1.LabelSelector) (string, error) {
	if selector == nil {
		return "", nil
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return "", err
	}
	return parsed.String(), nil
}

// readService gives nil for a Service whose endpoints do not follow the readiness of pods.
func readService(ctx context.Context, client kubernetes.Interface, s pipeline.Service) (*service, error) {
	found, err := client.CoreV1().Services(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if len(found.Spec.Selector) == 0 || found.Spec.PublishNotReadyAddresses || found.Spec.Type == corev1.ServiceTypeExternalName {
		return nil, nil
	}
	return &service{s.Namespace, s.Name, labels.SelectorFromSet(found.Spec.Selector)}, nil
}
