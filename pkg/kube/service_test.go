package kube

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

func TestTheServiceDoorLeadsThroughTheProxyAsTheClustersUser(t *testing.T) {
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
	door := cluster.ServiceTransport(pipeline.Service{Namespace: "portal", Name: "backstage", Port: 80})
	const prefix = "/api/v1/namespaces/portal/services/http:backstage:80/proxy"
	for _, path := range []string{"/healthcheck?x=1", prefix + "/static/main.js", "/by-name/a%2Fb"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://service"+path, nil)
		require.NoError(t, err)
		response, err := door.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	require.Equal(t, []string{
		"/base" + prefix + "/healthcheck?x=1 Bearer admin",
		"/base" + prefix + "/static/main.js Bearer admin",
		"/base" + prefix + "/by-name/a%2Fb Bearer admin",
	}, got)
}

func TestARequestWithItsOwnCredentialsGoesToAReadyEndpoint(t *testing.T) {
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
	door := serviceDoor{cluster: &Cluster{Client: fake.NewClientset(slice, service)}, service: pipeline.Service{Namespace: "portal", Name: "backstage", Port: 80}}
	pod, err := door.endpoint(t.Context())
	require.NoError(t, err)
	require.Equal(t, pipeline.Pod{Namespace: "portal", Name: "serving", Port: 7007}, pod)

	door.service.Port = 81
	_, err = door.endpoint(t.Context())
	require.ErrorContains(t, err, "it has no port 81")

	slice.Endpoints = slice.Endpoints[:1]
	door = serviceDoor{cluster: &Cluster{Client: fake.NewClientset(slice, service)}, service: pipeline.Service{Namespace: "portal", Name: "backstage", Port: 80}}
	_, err = door.endpoint(t.Context())
	require.ErrorContains(t, err, "none is ready on port 80")
}
