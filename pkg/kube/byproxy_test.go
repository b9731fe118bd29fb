package kube

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// kubernetes/kubernetes#87484: an application that listens on its pod's address only is not behind a port-forward.
func TestForward_ByProxy_AsksThePodWhereItsServiceDoes(t *testing.T) {
	const status = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"error trying to reach service: dial tcp: connection refused","code":503}`
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/namespaces/n/pods/http:a:80/proxy/page":
			_, _ = io.WriteString(w, "release 2")
		case "/api/v1/namespaces/n/pods/https:a:80/proxy/page":
			w.WriteHeader(http.StatusTeapot)
		case "/api/v1/namespaces/n/pods/http:a:80/proxy/dead":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, status)
		default:
			t.Errorf("%s was asked", r.URL)
		}
	}))
	defer server.Close()
	file := write(t, server.URL)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(file), "CA"), ca, 0o600))
	cluster, err := Connect(Options{Kubeconfig: file})
	require.NoError(t, err)
	f := &forward{cluster: cluster, pod: record.Pod{Namespace: "n", Name: "a", Port: 80}}
	for name, c := range map[string]struct {
		method, url, authorization string
		want                       int
	}{
		"an answer of the pod":          {http.MethodGet, "http://pod/page", "", http.StatusOK},
		"one of its TLS":                {http.MethodGet, "https://pod/page", "", http.StatusTeapot},
		"the API server finds nothing":  {http.MethodGet, "http://pod/dead", "", 0},
		"a request that changes things": {http.MethodPost, "http://pod/page", "", 0},
		"credentials would not arrive":  {http.MethodGet, "http://pod/page", "Bearer x", 0},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, c.url, nil)
			require.NoError(t, err)
			if c.authorization != "" {
				request.Header.Set("Authorization", c.authorization)
			}
			response := f.byProxy(request)
			if c.want == 0 {
				require.Nil(t, response)
				return
			}
			require.NotNil(t, response)
			require.Equal(t, c.want, response.StatusCode)
			require.NoError(t, response.Body.Close())
		})
	}
}
