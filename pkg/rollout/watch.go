package rollout

import (
	"context"
	"errors"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const (
	// syncTimeout bounds the first listing of what is watched: longer than an API
	// server takes to restart.
	syncTimeout = 2 * time.Minute
	// retryPause is how long to wait before a failed request is tried again.
	retryPause = time.Second
)

// watch keeps what the judge needs to see, by informers: they relist on a lost
// connection or an expired version by themselves.
type watch struct {
	client    kubernetes.Interface
	workloads []pipeline.Workload
	// least is the generation of each workload as it was applied. A cache that lags
	// behind must not show the previous generation as the one that is complete.
	least   map[pipeline.Workload]int64
	stores  map[string][]cache.Store // by kind, one per namespace
	changed chan struct{}
	logs    logs

	mu      sync.Mutex
	lastErr error
}

func open(ctx context.Context, client kubernetes.Interface, workloads []pipeline.Workload) (*watch, error) {
	w := &watch{
		client: client, workloads: workloads, least: map[pipeline.Workload]int64{},
		stores: map[string][]cache.Store{}, changed: make(chan struct{}, 1), logs: newLogs(client),
	}
	for _, workload := range workloads {
		if err := w.note(ctx, workload); err != nil {
			return nil, pipeline.Unavailable("rollout/unreadable", "reading %s: %w", workload, err)
		}
	}
	return w, w.inform(ctx)
}

// note reads the generation of a workload. An API server that restarts right
// now must not end a healthy rollout, hence the attempts.
func (w *watch) note(ctx context.Context, workload pipeline.Workload) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	for {
		generation, err := w.generation(ctx, workload)
		if err == nil {
			w.least[workload] = generation
			return nil
		}
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || errors.Is(err, errKind) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}

// errKind is returned for a workload of a kind that has no rollout.
var errKind = errors.New("this kind cannot be watched; Deployment, StatefulSet, DaemonSet and Job can")

// generation reads a workload past every cache.
func (w *watch) generation(ctx context.Context, workload pipeline.Workload) (int64, error) {
	var object metav1.Object
	var err error
	switch workload.Kind {
	case "Deployment":
		object, err = w.client.AppsV1().Deployments(workload.Namespace).Get(ctx, workload.Name, metav1.GetOptions{})
	case "StatefulSet":
		object, err = w.client.AppsV1().StatefulSets(workload.Namespace).Get(ctx, workload.Name, metav1.GetOptions{})
	case "DaemonSet":
		object, err = w.client.AppsV1().DaemonSets(workload.Namespace).Get(ctx, workload.Name, metav1.GetOptions{})
	case "Job":
		object, err = w.client.BatchV1().Jobs(workload.Namespace).Get(ctx, workload.Name, metav1.GetOptions{})
	default:
		return 0, errKind
	}
	if err != nil {
		return 0, err
	}
	return object.GetGeneration(), nil
}

// inform starts one informer for each kind that is needed, in each namespace.
func (w *watch) inform(ctx context.Context) error {
	factories := map[string]informers.SharedInformerFactory{}
	started := map[string]bool{}
	for _, workload := range w.workloads {
		factory := factories[workload.Namespace]
		if factory == nil {
			factory = informers.NewSharedInformerFactoryWithOptions(w.client, 0, informers.WithNamespace(workload.Namespace), informers.WithTransform(slim))
			factories[workload.Namespace] = factory
		}
		for kind, informer := range needed(factory, workload.Kind) {
			if key := workload.Namespace + "/" + kind; !started[key] {
				started[key] = true
				if err := w.add(kind, informer); err != nil {
					return err
				}
			}
		}
	}
	syncing, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	for _, factory := range factories {
		factory.Start(ctx.Done())
		for kind, synced := range factory.WaitForCacheSync(syncing.Done()) {
			if !synced {
				return pipeline.Unavailable("rollout/unreadable", "watching %s: %w", kind, w.why(syncing.Err()))
			}
		}
	}
	return nil
}

// needed are the informers for a workload of that kind.
func needed(factory informers.SharedInformerFactory, kind string) map[string]cache.SharedIndexInformer {
	all := map[string]cache.SharedIndexInformer{
		"Pod":   factory.Core().V1().Pods().Informer(),
		"Event": factory.Core().V1().Events().Informer(),
	}
	switch kind {
	case "Deployment":
		all["Deployment"] = factory.Apps().V1().Deployments().Informer()
		all["ReplicaSet"] = factory.Apps().V1().ReplicaSets().Informer()
	case "StatefulSet":
		all["StatefulSet"] = factory.Apps().V1().StatefulSets().Informer()
	case "DaemonSet":
		all["DaemonSet"] = factory.Apps().V1().DaemonSets().Informer()
	case "Job":
		all["Job"] = factory.Batch().V1().Jobs().Informer()
	}
	return all
}

// slim drops what nobody here reads and what is often the largest part.
func slim(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func (w *watch) add(kind string, informer cache.SharedIndexInformer) error {
	notify := func(any) {
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: notify, DeleteFunc: notify, UpdateFunc: func(_, next any) { notify(next) },
	})
	if err != nil {
		return err
	}
	w.stores[kind] = append(w.stores[kind], informer.GetStore())
	return informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lastErr = err
	})
}

// why prefers what the API server said over "deadline exceeded".
func (w *watch) why(fallback error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lastErr != nil {
		return w.lastErr
	}
	return fallback
}

// snapshot is one look at everything.
type snapshot struct {
	now          time.Time
	workloads    []pipeline.Workload
	least        map[pipeline.Workload]int64
	deployments  []*appsv1.Deployment
	replicaSets  []*appsv1.ReplicaSet
	statefulSets []*appsv1.StatefulSet
	daemonSets   []*appsv1.DaemonSet
	jobs         []*batchv1.Job
	pods         []*corev1.Pod
	events       []*corev1.Event
	logLines     map[container]string // lines that matched a log pattern
}

func (w *watch) snapshot() snapshot {
	return snapshot{
		workloads:    w.workloads,
		least:        w.least,
		deployments:  list[*appsv1.Deployment](w.stores["Deployment"]),
		replicaSets:  list[*appsv1.ReplicaSet](w.stores["ReplicaSet"]),
		statefulSets: list[*appsv1.StatefulSet](w.stores["StatefulSet"]),
		daemonSets:   list[*appsv1.DaemonSet](w.stores["DaemonSet"]),
		jobs:         list[*batchv1.Job](w.stores["Job"]),
		pods:         list[*corev1.Pod](w.stores["Pod"]),
		events:       list[*corev1.Event](w.stores["Event"]),
		logLines:     w.logs.matched(),
	}
}

func list[T any](stores []cache.Store) []T {
	var all []T
	for _, store := range stores {
		for _, object := range store.List() {
			if typed, ok := object.(T); ok {
				all = append(all, typed)
			}
		}
	}
	return all
}
