package kube

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestCluster_ServiceTransport_LeadsThroughTheProxyAsTheClustersUser(t *testing.T) {
	var got []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.String()+" "+r.Header.Get("Authorization"))
	}))
	defer server.Close()
	file := write(t, server.URL+"/base")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(file), "CA"), ca, 0o600))
	cluster, err := Connect(Options{Kubeconfig: file})
	require.NoError(t, err)
	transport := cluster.ServiceTransport(record.Service{Namespace: "portal", Name: "backstage", Port: 80})
	const prefix = "/api/v1/namespaces/portal/services/http:backstage:80/proxy"
	for _, path := range []string{"/healthcheck?x=1", prefix + "/static/main.js", "/by-name/a%2Fb"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service"+path, nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	require.Equal(t, []string{
		"/base" + prefix + "/healthcheck?x=1 Bearer admin",
		"/base" + prefix + "/static/main.js Bearer admin",
		"/base" + prefix + "/by-name/a%2Fb Bearer admin",
	}, got)
}

func TestCluster_ServiceTransport_WithItsOwnCredentialsToAReadyEndpoint(t *testing.T) {
	yes, no, http7007, metrics := true, false, int32(7007), int32(9000)
	nameHTTP, nameMetrics := "http", "metrics"
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "backstage-x", Namespace: "portal", Labels: map[string]string{discoveryv1.LabelServiceName: "backstage"}},
		Ports:      []discoveryv1.EndpointPort{{Name: &nameMetrics, Port: &metrics}, {Name: &nameHTTP, Port: &http7007}},
		Endpoints: []discoveryv1.Endpoint{
			{Conditions: discoveryv1.EndpointConditions{Ready: &no}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "starting"}},
			{Conditions: discoveryv1.EndpointConditions{Ready: &yes}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "serving"}},
		},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "backstage", Namespace: "portal"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "metrics", Port: 90}, {Name: "http", Port: 80}}},
	}
	transport := serviceTransport{cluster: &Cluster{Client: fake.NewClientset(slice, service)}, service: record.Service{Namespace: "portal", Name: "backstage", Port: 80}}
	pod, err := transport.endpoint(t.Context())
	require.NoError(t, err)
	require.Equal(t, record.Pod{Namespace: "portal", Name: "serving", Port: 7007}, pod)

	transport.service.Port = 81
	_, err = transport.endpoint(t.Context())
	require.ErrorContains(t, err, "it has no port 81")

	slice.Endpoints = slice.Endpoints[:1]
	transport = serviceTransport{cluster: &Cluster{Client: fake.NewClientset(slice, service)}, service: record.Service{Namespace: "portal", Name: "backstage", Port: 80}}
	_, err = transport.endpoint(t.Context())
	require.ErrorContains(t, err, "none is ready on port 80")
}

func TestCluster_ServiceTransport_AnAnswerOfTheAPIServerItself(t *testing.T) {
	status := func(message string) string {
		return `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"` + message + `","code":503}`
	}
	for name, c := range map[string]struct {
		kind, body string
		server     bool
	}{
		"the API server shuts down":           {"application/json", status("apiserver is shutting down"), true},
		"it may not be asked":                 {"application/json", status(`services \"web\" is forbidden`), true},
		"nothing listens in the pod":          {"application/json", status("error trying to reach service: dial tcp 10.0.0.1:80: connect: connection refused"), false},
		"the Service leads nowhere":           {"application/json", status(`no endpoints available for service \"web\"`), false},
		"the application answers 503":         {"text/plain", "down", false},
		"the application answers 503 as JSON": {"application/json; charset=utf-8", `{"error":{"name":"ServiceUnavailable"}}`, false},
		"the application answers a long JSON": {"application/json", `{"text":"` + strings.Repeat("x", 2*maxStatus) + `"}`, false},
		"the application talks of a status":   {"application/json", `{"status":"Failure"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			response := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Content-Type": {c.kind}}, Body: io.NopCloser(strings.NewReader(c.body))}
			err := refusedByAPIServer(response)
			require.Equal(t, c.server, err != nil)
			if !c.server {
				body, err := io.ReadAll(response.Body)
				require.NoError(t, err)
				require.Equal(t, c.body, string(body), "the body stays whole")
			}
		})
	}
}

func TestCluster_ServiceTransport_ARedirectLeadsBackToTheService(t *testing.T) {
	base, err := url.Parse("https://api:6443/base")
	require.NoError(t, err)
	asked, err := url.Parse("http://target.invalid/login")
	require.NoError(t, err)
	transport := serviceTransport{prefix: "/api/v1/namespaces/n/services/http:web:80/proxy"}
	for from, to := range map[string]string{
		"https://api:6443/base" + transport.prefix + "/home?x=1": "http://target.invalid/home?x=1",
		"https://elsewhere/home":                                 "https://elsewhere/home",
		"":                                                       "",
	} {
		response := &http.Response{Header: http.Header{}}
		if from != "" {
			response.Header.Set("Location", from)
		}
		transport.home(response, asked, base)
		require.Equal(t, to, response.Header.Get("Location"))
	}
}

func TestWhoBrokeAConnection(t *testing.T) {
	f, lost := new(Cluster).forward(record.Pod{}), make(chan struct{})
	require.Equal(t, record.KindUnknown, record.KindOf(f.blame(io.ErrUnexpectedEOF, lost)), "the tunnel stands: the application did")
	close(lost)
	err := f.blame(io.ErrUnexpectedEOF, lost)
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestCluster_ServiceTransport_AnAPIServerThatCannotBeReached(t *testing.T) {
	cluster, err := Connect(Options{Kubeconfig: write(t, "http://127.0.0.1:1")})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://target.invalid/", nil)
	require.NoError(t, err)
	pod, done := cluster.PodTransport(record.Pod{Namespace: "n", Name: "a", Port: 80})
	defer done()
	for name, transport := range map[string]http.RoundTripper{"pod": pod, "service": cluster.ServiceTransport(record.Service{Namespace: "n", Name: "a", Port: 80})} {
		response, err := transport.RoundTrip(request)
		if err == nil {
			_ = response.Body.Close()
		}
		require.Equal(t, record.KindUnavailable, record.KindOf(err), name)
	}
}
