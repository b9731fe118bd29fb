package rollout

import (
	"context"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
)

// refusalGrace is how long a refusal is taken for that of an API server that has just
// started and does not know its own rules yet.
const refusalGrace = 10 * time.Second

// source is one informer: it lists, watches, and lists again by itself after a
// lost connection or an expired version.
type source struct {
	kind     string
	informer cache.SharedIndexInformer
	// optional says that what it shows only explains: without the right to read it
	// the rollout is watched all the same.
	optional bool
	refused  chan struct{} // closed when the API server refuses it for good

	mu    sync.Mutex
	err   error
	since time.Time // of the first refusal
	over  bool
}

// where limits a list or a watch to what is needed of a kind.
type where struct{ labels, fields string }

func (w where) tweak(o *metav1.ListOptions) {
	o.LabelSelector, o.FieldSelector = w.labels, w.fields
}

// newSource is the informer for a kind. Foreign objects never leave the API server.
func newSource(w *watch, kind, namespace string, at where, optional bool) (*source, error) {
	s := &source{kind: kind, informer: resources[kind].informer(w.client, namespace, at), optional: optional, refused: make(chan struct{})}
	transform := func(object any) (small any, _ error) {
		small = object
		w.guarded(func() { small = cluster.Strip(object) })
		return small, nil
	}
	if err := s.informer.SetTransform(transform); err != nil {
		return nil, err
	}
	if err := s.informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) { s.failed(err) }); err != nil {
		return nil, err
	}
	_, err := s.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: w.onChange, DeleteFunc: w.onChange, UpdateFunc: func(_, next any) { w.onChange(next) },
	})
	return s, err
}

// failed notes what the API server said.
func (s *source) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	unknown := s.optional && apierrors.IsNotFound(err) // the cluster has no such kind
	if !unknown && !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		s.since = time.Time{}
		return
	}
	if s.since.IsZero() {
		s.since = time.Now()
	}
	if !s.over && (s.optional || time.Since(s.since) >= refusalGrace) {
		s.over = true
		close(s.refused)
	}
}

// run watches until ctx ends, or until the API server refuses for good.
func (s *source) run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		select {
		case <-ctx.Done():
		case <-s.refused:
		}
	}()
	s.informer.RunWithContext(ctx)
}

// synced waits for the first list.
func (s *source) synced(ctx context.Context) error {
	select {
	case <-s.informer.HasSyncedChecker().Done():
		return nil
	case <-s.refused:
		if s.optional {
			return nil
		}
		return s.why(apierrors.NewUnauthorized("refused"))
	case <-ctx.Done():
		return s.why(ctx.Err())
	}
}

// why prefers what the API server said over "deadline exceeded".
func (s *source) why(fallback error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return fallback
}

// serviceSlices selects the EndpointSlices of one Service.
func serviceSlices(name string) where {
	return where{labels: discoveryv1.LabelServiceName + "=" + name}
}
