package rollout

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/test/pipe"
)

// apiServer is as much of an API server as a watch needs, over HTTP, within synctest, too: get, list
// and watch with selectors and resource versions, logs, and the ways it can fail.
type apiServer struct {
	*pipe.Server
	logs http.HandlerFunc

	mu       sync.Mutex
	version  int
	objects  map[string]map[string]metav1.Object // by resource, then namespace/name
	watchers map[chan change]query
	requests map[string]int // by resource, and by "watch resource"
	down     bool
	denied   map[string]bool // resources that nobody may read
}

// change is one line of a watch; a nil object ends the stream.
type change struct {
	kind   string
	object any
}

// query is what a request asks for.
type query struct {
	resource, namespace string
	labels              labels.Selector
	fields              fields.Selector
}

func newAPIServer(t testing.TB) *apiServer {
	s := &apiServer{objects: map[string]map[string]metav1.Object{}, watchers: map[chan change]query{}, requests: map[string]int{}, denied: map[string]bool{}, version: 1}
	s.logs = func(http.ResponseWriter, *http.Request) {}
	s.Server = pipe.Serve(t, s)
	return s
}

func (s *apiServer) client(t testing.TB) kubernetes.Interface {
	client, err := kubernetes.NewForConfig(&rest.Config{Host: s.URL, Dial: s.Dial, QPS: -1})
	require.NoError(t, err)
	return client
}

func resourceOf(o metav1.Object) string {
	switch o.(type) {
	case *corev1.Pod:
		return "pods"
	case *appsv1.Deployment:
		return "deployments"
	case *appsv1.ReplicaSet:
		return "replicasets"
	case *corev1.Event:
		return "events"
	case *corev1.Service:
		return "services"
	}
	return strings.ToLower(fmt.Sprintf("%T", o)[len("*v1."):]) + "s"
}

// put makes or changes objects and tells the watchers.
func (s *apiServer) put(objects ...metav1.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		nameKind(o)
		resource, key := resourceOf(o), o.GetNamespace()+"/"+o.GetName()
		s.version++
		o.SetResourceVersion(strconv.Itoa(s.version))
		kind := "MODIFIED"
		if s.objects[resource] == nil {
			s.objects[resource] = map[string]metav1.Object{}
		}
		if s.objects[resource][key] == nil {
			kind = "ADDED"
		}
		s.objects[resource][key] = o
		s.tell(change{kind, o}, resource, o)
	}
}

// nameKind fills in what a watch tells with each object.
func nameKind(o metav1.Object) {
	typed := o.(runtime.Object)
	if kinds, _, err := scheme.Scheme.ObjectKinds(typed); err == nil {
		typed.GetObjectKind().SetGroupVersionKind(kinds[0])
	}
}

func (s *apiServer) remove(o metav1.Object) {
	nameKind(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects[resourceOf(o)], o.GetNamespace()+"/"+o.GetName())
	s.tell(change{"DELETED", o}, resourceOf(o), o)
}

func (s *apiServer) tell(c change, resource string, o metav1.Object) {
	for watcher, q := range s.watchers {
		if q.resource == resource && q.selects(o) {
			watcher <- c
		}
	}
}

// all puts the objects of a look.
func (s *apiServer) all(look cluster.Snapshot) {
	for _, o := range look.Deployments {
		s.put(o)
	}
	for _, o := range look.ReplicaSets {
		s.put(o)
	}
	for _, o := range look.Pods {
		s.put(o)
	}
	for _, o := range look.Events {
		s.put(o)
	}
}

// outage ends all streams and refuses all requests until the returned function is called.
func (s *apiServer) outage() (over func()) {
	set := func(down bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down = down
	}
	set(true)
	s.CloseClientConnections()
	return func() { set(false) }
}

// expire tells all watchers that their version is gone.
func (s *apiServer) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for watcher := range s.watchers {
		watcher <- change{"ERROR", metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure",
			Reason: metav1.StatusReasonExpired, Code: http.StatusGone, Message: "too old resource version"}}
		watcher <- change{}
	}
}

func (s *apiServer) count(resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[resource]
}

// total is the number of all requests.
func (s *apiServer) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, count := range s.requests {
		n += count
	}
	return n
}

func (q query) selects(o metav1.Object) bool {
	set := fields.Set{"metadata.name": o.GetName()}
	if e, ok := o.(*corev1.Event); ok {
		set["type"], set["reason"] = e.Type, e.Reason
	}
	if p, ok := o.(*corev1.Pod); ok {
		set["status.phase"] = string(p.Status.Phase)
	}
	return o.GetNamespace() == q.namespace && q.labels.Matches(labels.Set(o.GetLabels())) && q.fields.Matches(set)
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(r.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/") // namespace, resource, name, subresource
	if len(parts) == 4 {
		s.begin(w, "pods/log", func() { s.logs(w, r) })
		return
	}
	ask := r.URL.Query()
	q := query{resource: parts[1], namespace: parts[0]}
	q.labels, _ = labels.Parse(ask.Get("labelSelector"))
	q.fields, _ = fields.ParseSelector(ask.Get("fieldSelector"))
	switch {
	case len(parts) == 3:
		s.begin(w, q.resource, func() { s.get(w, q, parts[2]) })
	case ask.Get("sendInitialEvents") != "":
		s.begin(w, q.resource, func() { refuse(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid) })
	case ask.Get("watch") != "":
		s.begin(w, "watch "+q.resource, func() { s.watch(w, r, q) })
	default:
		s.begin(w, q.resource, func() { s.list(w, q) })
	}
}

func (s *apiServer) begin(w http.ResponseWriter, what string, serve func()) {
	s.mu.Lock()
	s.requests[what]++
	down, denied := s.down, s.denied[strings.TrimPrefix(what, "watch ")]
	s.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler) // the connection breaks
	case denied:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden)
	default:
		serve()
	}
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Code: int32(code), Message: string(reason)})
}

func (s *apiServer) get(w http.ResponseWriter, q query, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[q.resource][q.namespace+"/"+name]
	if o == nil {
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(o)
}

func (s *apiServer) list(w http.ResponseWriter, q query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []metav1.Object{}
	for _, key := range slices.Sorted(maps.Keys(s.objects[q.resource])) {
		if o := s.objects[q.resource][key]; q.selects(o) {
			items = append(items, o)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]string{"resourceVersion": strconv.Itoa(s.version)}, "items": items})
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, q query) {
	changes := make(chan change, 10_000)
	s.mu.Lock()
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	for _, o := range s.objects[q.resource] { // what changed between the list and now
		if version, _ := strconv.Atoi(o.GetResourceVersion()); version > since && q.selects(o) {
			changes <- change{"MODIFIED", o}
		}
	}
	s.watchers[changes] = q
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, changes)
	}()
	w.Header().Set("Content-Type", "application/json")
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case c := <-changes:
			if c.object == nil {
				return
			}
			s.mu.Lock()
			err := json.NewEncoder(w).Encode(map[string]any{"type": c.kind, "object": c.object})
			s.mu.Unlock()
			if err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	}
}
