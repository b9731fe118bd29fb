// Package livetest is an API server within the process, for tests of what looks at
// single objects: it keeps them by their path, and checks of requests what the real one
// would.
package livetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest/fake"
)

// Server has the objects of a cluster. Its zero value has none.
type Server struct {
	// Refuse gives the answer to a patch, nil to take it. What is taken changes nothing:
	// patches are dry runs here.
	Refuse func(name string) *metav1.Status

	mu       sync.Mutex
	objects  map[string]*unstructured.Unstructured
	requests []string
}

// Requests are "METHOD /path" of what was asked for, in order.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.requests...)
}

// Put puts objects into the cluster, as they are.
func (s *Server) Put(objects ...*unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = map[string]*unstructured.Unstructured{}
	}
	for _, object := range objects {
		s.objects[path(object)] = object
	}
}

// Remove takes an object away.
func (s *Server) Remove(object *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, path(object))
}

// Has reports whether there is an object by that kind and name.
func (s *Server) Has(object *unstructured.Unstructured) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path(object)] != nil
}

// Info gives an object its place in the API.
func (s *Server) Info(object *unstructured.Unstructured) *resource.Info {
	kind := object.GroupVersionKind()
	plural, _ := meta.UnsafeGuessKindToResource(kind)
	scope := meta.RESTScopeNamespace
	if object.GetNamespace() == "" {
		scope = meta.RESTScopeRoot
	}
	return &resource.Info{
		Client: &fake.RESTClient{
			GroupVersion:         kind.GroupVersion(),
			NegotiatedSerializer: resource.UnstructuredPlusDefaultContentConfig().NegotiatedSerializer,
			Client:               fake.CreateHTTPClient(s.answer),
		},
		Mapping:   &meta.RESTMapping{Resource: plural, GroupVersionKind: kind, Scope: scope},
		Namespace: object.GetNamespace(), Name: object.GetName(), Object: object,
	}
}

// Infos is [Server.Info] for many.
func (s *Server) Infos(objects ...*unstructured.Unstructured) []*resource.Info {
	infos := make([]*resource.Info, 0, len(objects))
	for _, object := range objects {
		infos = append(infos, s.Info(object))
	}
	return infos
}

func path(object *unstructured.Unstructured) string {
	plural, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	namespace := ""
	if object.GetNamespace() != "" {
		namespace = "/namespaces/" + object.GetNamespace()
	}
	return namespace + "/" + plural.Resource + "/" + object.GetName()
}

func (s *Server) answer(request *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request.Method+" "+request.URL.Path)
	found := s.objects[request.URL.Path]
	switch {
	case request.Method == http.MethodGet && found == nil:
		if list := s.list(request.URL.Path + "/"); len(list.Items) > 0 {
			return reply(http.StatusOK, list)
		}
		return reply(http.StatusNotFound, metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound})
	case found == nil:
		return reply(http.StatusNotFound, metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound})
	case request.Method == http.MethodDelete:
		return s.delete(request, found)
	case request.Method == http.MethodPatch && s.Refuse != nil:
		if status := s.Refuse(found.GetKind() + "/" + found.GetName()); status != nil {
			return reply(int(status.Code), status)
		}
	}
	return reply(http.StatusOK, found)
}

func (s *Server) list(folder string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
	for at, object := range s.objects {
		if strings.HasPrefix(at, folder) {
			list.Items = append(list.Items, *object)
		}
	}
	return list
}

func (s *Server) delete(request *http.Request, found *unstructured.Unstructured) (*http.Response, error) {
	var options metav1.DeleteOptions
	if err := json.NewDecoder(request.Body).Decode(&options); err != nil {
		return nil, err
	}
	if options.Preconditions != nil && *options.Preconditions.UID != found.GetUID() {
		return reply(http.StatusConflict, metav1.Status{Status: metav1.StatusFailure, Code: http.StatusConflict, Reason: metav1.StatusReasonConflict})
	}
	delete(s.objects, request.URL.Path)
	return reply(http.StatusOK, metav1.Status{Status: metav1.StatusSuccess})
}

func reply(code int, content any) (*http.Response, error) {
	if status, is := content.(metav1.Status); is {
		status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		content = status
	}
	text, err := json.Marshal(content)
	header := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(bytes.NewReader(text))}, err
}
