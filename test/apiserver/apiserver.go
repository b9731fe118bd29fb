// Package apiserver is a small API server for the tests of what talks to one: real
// requests over HTTP, real patches and real field managers, but few kinds and no
// controllers. It stands behind the clients of pkg/kube.
package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/test/pipe"
)

// API is a small API server: real requests over HTTP, real patches and real
// field managers, but few kinds and no controllers.
type API struct {
	t      *testing.T
	server *pipe.Server

	Mu      sync.Mutex
	Objects map[string]runtime.Object // by path
	version int
	sent    []string // writes that were not dry runs, "PATCH /apis/…"
	tried   []string // dry runs
	changed chan struct{}
	// refuse may refuse a write; it sees the object as it would become.
	Refuse func(verb string, object runtime.Object) *metav1.Status
	// meet sees each request first and may answer it.
	Meet func(http.ResponseWriter, *http.Request) bool
}

type apiKind struct {
	group, version, kind, plural string
	cluster                      bool
}

var apiKinds = []apiKind{
	{"", "v1", "Namespace", "namespaces", true},
	{"", "v1", "Secret", "secrets", false},
	{"", "v1", "ConfigMap", "configmaps", false},
	{"", "v1", "Service", "services", false},
	{"", "v1", "Pod", "pods", false},
	{"", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", false},
	{"apps", "v1", "Deployment", "deployments", false},
	{"apps", "v1", "StatefulSet", "statefulsets", false},
	{"batch", "v1", "Job", "jobs", false},
	{"autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", false},
	{"coordination.k8s.io", "v1", "Lease", "leases", false},
	{"apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", true},
}

func (k apiKind) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.group, Version: k.version, Kind: k.kind}
}

func (k apiKind) base() string {
	if k.group == "" {
		return "/api/" + k.version
	}
	return "/apis/" + k.group + "/" + k.version
}

// New starts one with the namespaces portal and default, for the time of a test. No
// network is in between, so it works within synctest.
func New(t *testing.T) *API {
	t.Helper()
	a := &API{t: t, Objects: map[string]runtime.Object{}, changed: make(chan struct{})}
	a.server = pipe.Serve(t, http.HandlerFunc(a.Serve))
	a.Put("/api/v1/namespaces/portal", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"portal"}}`)
	a.Put("/api/v1/namespaces/default", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default"}}`)
	return a
}

func (a *API) config() *rest.Config {
	return &rest.Config{Host: a.server.URL, Dial: a.server.Dial, QPS: 1000, Burst: 1000, WrapTransport: kube.Patience(nil, 2*time.Second), ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

// Getter and Clientset make it a Cluster.
func (a *API) Getter() genericclioptions.RESTClientGetter {
	flags := genericclioptions.NewConfigFlags(false)
	flags.WrapConfigFn = func(*rest.Config) *rest.Config { return a.config() }
	flags.APIServer = &a.server.URL
	return flags
}

// Clientset is a client of it, with the patience of the product.
func (a *API) Clientset() kubernetes.Interface {
	client, err := kubernetes.NewForConfig(a.config())
	require.NoError(a.t, err)
	return client
}

// Serve answers a request, unless Meet does.
func (a *API) Serve(w http.ResponseWriter, request *http.Request) {
	if a.Meet != nil && a.Meet(w, request) {
		return
	}
	if request.URL.Path == "/openapi/v2" {
		return // the empty document, in protobuf
	}
	if document := discovered(request.URL.Path); document != nil {
		Reply(w, http.StatusOK, document)
		return
	}
	for _, kind := range apiKinds {
		rest, found := strings.CutPrefix(request.URL.Path, kind.base()+"/")
		if !found {
			continue
		}
		parts := strings.Split(rest, "/")
		namespace := ""
		if !kind.cluster && len(parts) > 2 && parts[0] == "namespaces" {
			namespace, parts = parts[1], parts[2:]
		}
		if parts[0] != kind.plural || kind.cluster && len(parts) > 2 {
			continue
		}
		switch {
		case len(parts) == 1 && request.Method == http.MethodGet && request.URL.Query().Get("watch") != "":
			a.watch(w, request, kind, namespace)
		case len(parts) == 1 && request.Method == http.MethodGet:
			a.list(w, request, kind, namespace)
		case len(parts) == 1:
			a.write(w, request, kind, namespace, "")
		case len(parts) == 3 && parts[2] == "log":
			_, _ = fmt.Fprintf(w, "words of %s\n", parts[1])
		case request.Method == http.MethodGet:
			a.get(w, request)
		default:
			a.write(w, request, kind, namespace, parts[1])
		}
		return
	}
	Refusal(w, metav1.Status{Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "no such path " + request.URL.Path})
}

// discovered answers questions about the API itself.
func discovered(path string) any {
	switch path {
	case "/version":
		return version.Info{Major: "1", Minor: "36", GitVersion: "v1.36.0"}
	case "/api":
		return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions", APIVersion: "v1"}, Versions: []string{"v1"}}
	case "/apis":
		list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
		for _, k := range apiKinds {
			if k.group != "" && !slices.ContainsFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == k.group }) {
				version := metav1.GroupVersionForDiscovery{GroupVersion: k.group + "/" + k.version, Version: k.version}
				list.Groups = append(list.Groups, metav1.APIGroup{Name: k.group, Versions: []metav1.GroupVersionForDiscovery{version}, PreferredVersion: version})
			}
		}
		return list
	case "/openapi/v3":
		paths := map[string]any{}
		for _, k := range apiKinds {
			paths[strings.TrimPrefix(k.base(), "/")] = map[string]string{"serverRelativeURL": "/openapi/v3" + k.base()}
		}
		return map[string]any{"paths": paths}
	}
	schemas := map[string]any{}
	resources := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}}
	for _, k := range apiKinds {
		if base, found := strings.CutPrefix(path, "/openapi/v3"); found && base == k.base() {
			schemas[k.base()+"/"+k.plural+"/{name}"] = map[string]any{"patch": map[string]any{
				"parameters":                      []any{map[string]any{"name": "fieldValidation", "in": "query"}},
				"x-kubernetes-group-version-kind": map[string]string{"group": k.group, "version": k.version, "kind": k.kind},
			}}
		}
		if path == k.base() {
			resources.GroupVersion = k.gvk().GroupVersion().String()
			resources.APIResources = append(resources.APIResources, metav1.APIResource{Name: k.plural, Namespaced: !k.cluster, Kind: k.kind,
				Verbs: metav1.Verbs{"create", "delete", "get", "list", "patch", "update", "watch"}})
		}
	}
	switch {
	case len(schemas) > 0:
		return map[string]any{"openapi": "3.0.0", "info": map[string]string{"title": "t", "version": "1"}, "paths": schemas}
	case len(resources.APIResources) > 0:
		return resources
	}
	return nil
}

// Reply answers with a JSON body.
func Reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

// Refusal answers with a failure, as the API server does; its code is that of the answer.
func Refusal(w http.ResponseWriter, status metav1.Status) {
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	status.Status = metav1.StatusFailure
	Reply(w, int(status.Code), status)
}

func (a *API) get(w http.ResponseWriter, request *http.Request) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	object, found := a.Objects[request.URL.Path]
	if !found {
		Refusal(w, missing(request.URL.Path))
		return
	}
	Reply(w, http.StatusOK, object)
}

func missing(path string) metav1.Status {
	return metav1.Status{Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: path + " not found"}
}

// selected gives the objects of a collection that the request asks for.
func (a *API) selected(request *http.Request, kind apiKind, namespace string) []runtime.Object {
	query := request.URL.Query()
	selector, err := labels.Parse(query.Get("labelSelector"))
	require.NoError(a.t, err)
	name := strings.TrimPrefix(query.Get("fieldSelector"), "metadata.name=")
	var items []runtime.Object
	for _, path := range slices.Sorted(mapsKeys(a.Objects)) {
		object := a.Objects[path]
		accessor, err := meta.Accessor(object)
		require.NoError(a.t, err)
		if object.GetObjectKind().GroupVersionKind() == kind.gvk() && (namespace == "" || accessor.GetNamespace() == namespace) &&
			selector.Matches(labels.Set(accessor.GetLabels())) && (name == "" || name == accessor.GetName()) {
			items = append(items, object)
		}
	}
	return items
}

func (a *API) list(w http.ResponseWriter, request *http.Request, kind apiKind, namespace string) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	Reply(w, http.StatusOK, map[string]any{
		"apiVersion": kind.gvk().GroupVersion().String(), "kind": kind.kind + "List",
		"metadata": map[string]string{"resourceVersion": strconv.Itoa(a.version)}, "items": a.selected(request, kind, namespace),
	})
}

// watch sends the state of all selected objects at each change.
func (a *API) watch(w http.ResponseWriter, request *http.Request, kind apiKind, namespace string) {
	if request.URL.Query().Get("sendInitialEvents") != "" {
		Refusal(w, metav1.Status{Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: "sendInitialEvents is not known"})
		return
	}
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		a.Mu.Lock()
		items, changed := a.selected(request, kind, namespace), a.changed
		for _, item := range items {
			_ = json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": item})
		}
		a.Mu.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-request.Context().Done():
			return
		case <-time.After(10 * time.Second):
			return
		}
	}
}

// Put stores an object without a request.
func (a *API) Put(path, text string) {
	a.t.Helper()
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(text), nil, nil)
	require.NoError(a.t, err)
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.store(path, object)
}

// Amend changes an object without a request.
func Amend[T runtime.Object](a *API, path string, change func(T)) {
	a.t.Helper()
	a.Mu.Lock()
	defer a.Mu.Unlock()
	object, ok := a.Objects[path].DeepCopyObject().(T)
	require.True(a.t, ok, path)
	change(object)
	a.store(path, object)
}

// Object reads what is stored, nil for nothing.
func (a *API) Object(path string) runtime.Object {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	if object := a.Objects[path]; object != nil {
		return object.DeepCopyObject()
	}
	return nil
}

func (a *API) store(path string, object runtime.Object) {
	a.version++
	accessor, err := meta.Accessor(object)
	require.NoError(a.t, err)
	accessor.SetResourceVersion(strconv.Itoa(a.version))
	if accessor.GetUID() == "" {
		accessor.SetUID(types.UID("uid-" + strconv.Itoa(a.version)))
	}
	a.Objects[path] = object
	close(a.changed)
	a.changed = make(chan struct{})
}

// Writes gives the writes since the last call whose path has the part.
func (a *API) Writes(part string) []string {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	result := slices.DeleteFunc(slices.Clone(a.sent), func(line string) bool { return !strings.Contains(line, part) })
	a.sent, a.tried = nil, nil
	return result
}

// RefuseName makes the API server answer writes of the object by that name with err.
func (a *API) RefuseName(name string, err apierrors.APIStatus) {
	a.Mu.Lock()
	defer a.Mu.Unlock()
	a.Refuse = func(_ string, object runtime.Object) *metav1.Status {
		if accessor, metaErr := meta.Accessor(object); metaErr == nil && accessor.GetName() == name {
			status := err.Status()
			return &status
		}
		return nil
	}
}
