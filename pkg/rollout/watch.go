package rollout

import (
	"context"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
	"github.com/stagecrew/stagecrew/pkg/rollout/routes"
)

const (
	// syncTimeout bounds the first reading of what is watched: longer than an API
	// server takes to restart.
	syncTimeout = 2 * time.Minute
	// retryPause is how long to wait before a failed request is tried again.
	retryPause = time.Second
)

// watch keeps what the judge needs to see.
type watch struct {
	client   kubernetes.Interface
	targets  []target
	services []cluster.Service
	asked    routes.Choice
	since    time.Time
	image    string // of the revision, "" where it is not known
	sources  []*source
	changed  chan struct{}
	logs     *logs

	mu     sync.Mutex
	broken error
}

// open reads what was applied and starts to watch it.
func open(ctx context.Context, o Options, applied record.Applied, l *logs) (*watch, error) {
	client := o.Client
	w := &watch{client: client, changed: make(chan struct{}, 1), logs: l}
	l.changed, l.guarded = w.notify, w.guarded
	reading, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	for _, workload := range applied.Workloads {
		t, err := retried(reading, func() (target, error) { return readTarget(reading, client, workload) })
		if err != nil {
			return nil, record.Unavailable("rollout/unreadable", "reading %s: %w", workload, err)
		}
		w.targets = append(w.targets, t)
	}
	for _, s := range distinct(applied.Services) {
		found, err := retried(reading, func() (*cluster.Service, error) { return readService(reading, client, s) })
		if err != nil {
			return nil, record.Unavailable("rollout/unreadable", "reading Service/%s: %w", s.Name, err)
		}
		if found != nil {
			w.services = append(w.services, *found)
		}
	}
	w.image, w.since = applied.Revision.Image, applied.Revision.Deployed
	workloads := w.workloads()
	w.asked = routes.Choose(o.SmokeServices, applied.Revision.Image, workloads, w.services)
	w.asked.Mark(w.services, workloads)
	if err := w.plan(); err != nil {
		return nil, err
	}
	for _, s := range w.sources {
		go w.guarded(func() { s.run(ctx) })
	}
	for _, s := range w.sources {
		if err := s.synced(reading); err != nil {
			return nil, record.Unavailable("rollout/unreadable", "watching %ss: %w", s.kind, err)
		}
	}
	return w, nil
}

func (w *watch) workloads() []cluster.Watched {
	all := make([]cluster.Watched, len(w.targets))
	for i, t := range w.targets {
		all[i] = t.Watched
	}
	return all
}

// distinct leaves one entry for each Service: they are listed once for each port.
func distinct(services []record.Service) []record.Service {
	seen := map[string]bool{}
	var all []record.Service
	for _, s := range services {
		if key := s.Namespace + "/" + s.Name; !seen[key] {
			seen[key] = true
			all = append(all, s)
		}
	}
	return all
}

// plan decides which informers are needed: of each workload itself, what it owns by
// its own selector, and what explains it.
func (w *watch) plan() error {
	started := map[string]bool{}
	var failed error
	add := func(kind, namespace string, at where, optional bool) {
		key := strings.Join([]string{kind, namespace, at.labels, at.fields}, "|")
		if started[key] || failed != nil {
			return
		}
		started[key] = true
		s, err := newSource(w, kind, namespace, at, optional)
		w.sources, failed = append(w.sources, s), err
	}
	for _, t := range w.targets {
		add(t.Kind, t.Namespace, where{fields: "metadata.name=" + t.Name}, false)
		if !t.absent {
			add("Pod", t.Namespace, t.pods, false)
		}
		if between := judge.Kinds[t.Kind].Between; between != "" && !t.absent {
			add(between, t.Namespace, t.pods, false)
		}
		if t.Replicas != nil {
			add("HorizontalPodAutoscaler", t.Namespace, where{}, true)
		}
		add("Event", t.Namespace, where{fields: "type=" + corev1.EventTypeWarning}, true)
		if t.MountsClaims() {
			add("PersistentVolumeClaim", t.Namespace, where{}, true)
		}
		for _, reason := range causes.NormalEvents(t.MountsClaims(), t.HasPostStart()) {
			add("Event", t.Namespace, where{fields: "type=" + corev1.EventTypeNormal + ",reason=" + reason}, true)
		}
	}
	for _, s := range w.services {
		if s.Balanced {
			add("Event", s.Namespace, where{fields: "type=" + corev1.EventTypeWarning}, true)
		}
		if s.PublishesUnready {
			continue
		}
		add("EndpointSlice", s.Namespace, serviceSlices(s.Name), false)
	}
	return failed
}

// onChange wakes the judge, unless what changed is an event about a foreign object: a noisy
// neighbour must not keep it busy.
func (w *watch) onChange(object any) {
	w.guarded(func() { w.changedBy(object) })
}

func (w *watch) changedBy(object any) {
	if e, ok := object.(*corev1.Event); ok && !w.concerns(e) {
		return
	}
	w.notify()
}

// concerns goes by names only: those of what a workload owns begin with its own,
// those of claims end with it and a number.
func (w *watch) concerns(e *corev1.Event) bool {
	if e.InvolvedObject.Kind == "PersistentVolumeClaim" {
		return true
	}
	for _, t := range w.targets {
		// Long names are cut before the random end of a pod's name.
		if strings.HasPrefix(e.InvolvedObject.Name, t.Name[:min(len(t.Name), 50)]) {
			return true
		}
	}
	return false
}

func (w *watch) notify() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// appeared reports whether a workload that was not there is there now.
func (w *watch) appeared(s cluster.Snapshot) bool {
	for _, t := range w.targets {
		if t.absent && judge.Kinds[t.Kind].Find(s, t.Workload) != nil {
			return true
		}
	}
	return false
}

// snapshot is a look at the present state.
func (w *watch) snapshot() cluster.Snapshot {
	s := cluster.Snapshot{
		Least: map[record.Workload]int64{}, Templates: map[record.Workload]cluster.PodSource{},
		Services: w.services,
		Since:    w.since,
		Lines:    w.logs.matched(),
	}
	w.each(s.Add)
	for _, t := range w.targets {
		s.Workloads = append(s.Workloads, t.Workload)
		s.Least[t.Workload], s.Templates[t.Workload] = t.generation, t.PodSource
	}
	return s
}

// each gives each object once, also if several informers have it.
func (w *watch) each(do func(metav1.Object)) {
	seen := map[string]bool{}
	for _, source := range w.sources {
		for _, object := range source.informer.GetStore().List() {
			named, ok := object.(metav1.Object)
			if !ok {
				continue
			}
			if key := source.kind + "/" + named.GetNamespace() + "/" + named.GetName(); !seen[key] {
				seen[key] = true
				do(named)
			}
		}
	}
}
