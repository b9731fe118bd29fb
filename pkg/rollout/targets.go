package rollout

import (
	"context"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// target is a workload as it was read first: what tells which objects are its own.
type target struct {
	cluster.Watched
	generation int64
	pods       where // which pods may be its own
	absent     bool  // it was not there
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
		case time.Since(refused) >= refusalGrace:
			return value, err
		}
		if retry.Sleep(ctx, retryPause) != nil {
			return value, err
		}
	}
}

// errKind is returned for a workload of a kind that has no rollout.
var errKind = errors.New("this kind cannot be watched")

// readTarget reads a workload past every cache.
func readTarget(ctx context.Context, client kubernetes.Interface, w record.Workload) (target, error) {
	if _, known := judge.Kinds[w.Kind]; !known {
		return target{}, errKind
	}
	object, err := resources[w.Kind].get(ctx, client, w.Namespace, w.Name)
	switch {
	case apierrors.IsNotFound(err):
		return target{Watched: cluster.Watched{Workload: w}, absent: true}, nil
	case err != nil:
		return target{}, err
	}
	source, err := judge.SourceOf(object)
	if err != nil {
		return target{}, err
	}
	t := target{Watched: cluster.Watched{Workload: w, PodSource: source}, generation: object.GetGeneration()}
	t.pods, err = podsOf(w.Name, t.PodSource)
	return t, err
}

// podsOf selects the pods that may be a workload's own; the zero value where its selector
// is not set.
func podsOf(name string, source cluster.PodSource) (where, error) {
	switch {
	case source.Self:
		return where{fields: "metadata.name=" + name}, nil
	case source.Selector == nil:
		return where{}, nil
	}
	parsed, err := metav1.LabelSelectorAsSelector(source.Selector)
	if err != nil {
		return where{}, err
	}
	return where{labels: parsed.String()}, nil
}

// readService gives nil for a Service that selects no pods by itself.
func readService(ctx context.Context, client kubernetes.Interface, s record.Service) (*cluster.Service, error) {
	found, err := client.CoreV1().Services(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return &cluster.Service{Namespace: s.Namespace, Name: s.Name, Selector: labels.Nothing(), Gone: true}, nil
	case err != nil:
		return nil, err
	case len(found.Spec.Selector) == 0 || found.Spec.Type == corev1.ServiceTypeExternalName:
		return nil, nil
	}
	return &cluster.Service{
		Namespace: s.Namespace, Name: s.Name, Selector: labels.SelectorFromSet(found.Spec.Selector), Ports: found.Spec.Ports,
		Balanced: isBalanced(found),
		Headless: found.Spec.ClusterIP == corev1.ClusterIPNone, PublishesUnready: found.Spec.PublishNotReadyAddresses,
		Smoke: strings.TrimSpace(found.Annotations[record.AnnotationSmoke]), Led: s.Led,
	}, nil
}
