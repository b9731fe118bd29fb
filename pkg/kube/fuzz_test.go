package kube

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func FuzzKubeconfig(f *testing.F) {
	f.Add([]byte(kubeconfig), "")
	f.Add([]byte(strings.ReplaceAll(kubeconfig, "SERVER", "https://127.0.0.1:1")), "test")
	f.Add([]byte("apiVersion: v1\nkind: Config\ncontexts: [{name: a}]\ncurrent-context: a\nclusters: [{name: \"\"}]"), "a")
	f.Add([]byte("{"), "")
	// https://github.com/argoproj/argo-cd/pull/20150: a controller panicked.
	f.Add([]byte("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: \"https://a\", insecure-skip-tls-verify: true, certificate-authority-data: AA==}}]\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x"), "")
	f.Add([]byte("clusters: [null]\nusers: [{name: u, user: {exec: {command: x}}}]\ncontexts: [{name: x, context: {cluster: null, user: u}}]"), "x")
	f.Fuzz(func(t *testing.T, content []byte, context string) {
		path := filepath.Join(t.TempDir(), "kubeconfig")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		cluster, err := Connect(Options{Kubeconfig: path, Context: context})
		if err != nil {
			require.Equal(t, record.KindInput, record.KindOf(err), err)
			return
		}
		require.NotEmpty(t, cluster.Namespace)
		require.NotNil(t, cluster.Client)
	})
}

func FuzzWhatTheAPIServersProxyAnswers(f *testing.F) {
	f.Add([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"x"}`), "https://api:6443/base/api/v1/namespaces/n/services/http:web:80/proxy/x")
	f.Add([]byte(`{"kind":{}}`), "://")
	f.Fuzz(func(t *testing.T, body []byte, location string) {
		_, _ = asStatus(body)
		response := &http.Response{Header: http.Header{"Location": {location}}}
		serviceTransport{prefix: "/api/v1/namespaces/n/services/http:web:80/proxy"}.home(response, &url.URL{Scheme: "http", Host: "target.invalid", Path: "/"}, &url.URL{Scheme: "https", Host: "api:6443", Path: "/base"})
		require.NotNil(t, response.Header)
	})
}
