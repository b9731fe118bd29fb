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
)

// target is a workload as it was read first: what tells which objects are its own.
type target struct {
	record.Workload
	podSource
	generation int64
	pods       where // which pods may be its own
	absent     bool  // it was not there
}

// mountsClaims reports whether its pods may wait for a claim.
func (t podSource) mountsClaims() bool {
	for _, v := range t.spec.Volumes {
		if v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			return true
		}
	}
	return t.claims
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
		select {
		case <-ctx.Done():
			return value, err
		case <-time.After(retryPause):
		}
	}
}

// errKind is returned for a workload of a kind that has no rollout.
var errKind = errors.New("this kind cannot be watched")

// readTarget reads a workload past every cache.
func readTarget(ctx context.Context, client kubernetes.Interface, w record.Workload) (target, error) {
	k, known := kinds[w.Kind]
	if !known {
		return target{}, errKind
	}
	object, err := resources[w.Kind].get(ctx, client, w.Namespace, w.Name)
	switch {
	case apierrors.IsNotFound(err):
		return target{Workload: w, absent: true}, nil
	case err != nil:
		return target{}, err
	}
	t := target{Workload: w, generation: object.GetGeneration(), podSource: k.template(object)}
	t.pods, err = podsOf(w.Name, t.podSource)
	return t, err
}

// podsOf selects the pods that may be a workload's own; the zero value where its selector
// is not set.
func podsOf(name string, source podSource) (where, error) {
	switch {
	case source.self:
		return where{fields: "metadata.name=" + name}, nil
	case source.selector == nil:
		return where{}, nil
	}
	parsed, err := metav1.LabelSelectorAsSelector(source.selector)
	if err != nil {
		return where{}, err
	}
	return where{labels: parsed.String()}, nil
}

// readService gives nil for a Service that selects no pods by itself.
func readService(ctx context.Context, client kubernetes.Interface, s record.Service) (*service, error) {
	found, err := client.CoreV1().Services(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return &service{namespace: s.Namespace, name: s.Name, selector: labels.Nothing(), gone: true}, nil
	case err != nil:
		return nil, err
	case len(found.Spec.Selector) == 0 || found.Spec.Type == corev1.ServiceTypeExternalName:
		return nil, nil
	}
	return &service{
		namespace: s.Namespace, name: s.Name, selector: labels.SelectorFromSet(found.Spec.Selector), ports: found.Spec.Ports,
		headless: found.Spec.ClusterIP == corev1.ClusterIPNone, publishesUnready: found.Spec.PublishNotReadyAddresses,
		smoke: strings.TrimSpace(found.Annotations[record.AnnotationSmoke]), led: s.Led,
	}, nil
}
