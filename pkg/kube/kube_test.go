package kube

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "SERVER", certificate-authority: CA}}]
users: [{name: u, user: {token: admin}}]
contexts:
- {name: prod, context: {cluster: c, user: u, namespace: portal}}
- {name: test, context: {cluster: c, user: u}}
current-context: prod
`

func write(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "CA"), nil, 0o600))
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(kubeconfig, "SERVER", server, 1)), 0o600))
	return path
}

func TestNamespaceComesFromTheContextUnlessGiven(t *testing.T) {
	path := write(t, "https://127.0.0.1:1")
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"current context":            {Options{Kubeconfig: path}, "portal"},
		"context without namespace":  {Options{Kubeconfig: path, Context: "test"}, "default"},
		"option before the context":  {Options{Kubeconfig: path, Namespace: "other"}, "other"},
		"option and another context": {Options{Kubeconfig: path, Context: "test", Namespace: "other"}, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, err := Connect(c.options)
			require.NoError(t, err)
			require.Equal(t, c.want, cluster.Namespace)
		})
	}
}

func TestBadKubeconfigsSayWhatIsWrong(t *testing.T) {
	path := write(t, "https://127.0.0.1:1")
	broken := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(broken, []byte("{"), 0o600))
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"no such file":    {Options{Kubeconfig: path + "x"}, "there is no such file"},
		"not a config":    {Options{Kubeconfig: broken}, "reading the kubeconfig"},
		"no such context": {Options{Kubeconfig: path, Context: "staging"}, `has no context "staging"; there are: ["prod" "test"]`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(c.options)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, pipeline.KindInput, pipeline.KindOf(err))
		})
	}
}

func TestTheServiceDoorLeadsThroughTheProxyAndKeepsCredentialsApart(t *testing.T) {
	var got []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.String()+" "+r.Header.Get("Authorization"))
	}))
	defer server.Close()
	path := write(t, server.URL+"/base")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "CA"), ca, 0o600))
	cluster, err := Connect(Options{Kubeconfig: path})
	require.NoError(t, err)
	door := cluster.ServiceTransport(pipeline.Service{Namespace: "portal", Name: "backstage", Port: 80})
	const prefix = "/api/v1/namespaces/portal/services/http:backstage:80/proxy"
	for _, path := range []string{"/healthcheck?x=1", prefix + "/static/main.js"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service"+path, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer application")
		response, err := door.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	require.Equal(t, []string{
		"/base" + prefix + "/healthcheck?x=1 Bearer admin",
		"/base" + prefix + "/static/main.js Bearer admin",
	}, got)
}
