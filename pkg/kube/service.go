package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// ServiceTransport gives HTTP through a Service, by the API server's proxy: the
// request reaches one of the Service's endpoints. A request with credentials of
// its own goes to a ready endpoint by a port-forward instead: the API server
// takes the Authorization header for its own and does not pass it on.
func (c *Cluster) ServiceTransport(service pipeline.Service) http.RoundTripper {
	return serviceDoor{
		cluster: c, service: service,
		prefix: fmt.Sprintf("/api/v1/namespaces/%s/services/http:%s:%d/proxy", service.Namespace, service.Name, service.Port),
	}
}

type serviceDoor struct {
	cluster *Cluster
	service pipeline.Service
	prefix  string
}

// RoundTrip sends the request to the API server. Links in HTML come back with
// the proxy's prefix; a path that has it already is left alone.
func (d serviceDoor) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Header.Get("Authorization") != "" {
		return d.direct(request)
	}
	transport, err := rest.TransportFor(d.cluster.Config)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(d.cluster.Config)
	if err != nil {
		return nil, err
	}
	return transport.RoundTrip(through(request, base, d.prefix))
}

// through is the request as the API server wants it.
func through(request *http.Request, base *url.URL, prefix string) *http.Request {
	out := request.Clone(request.Context())
	out.URL.Scheme, out.URL.Host, out.Host = base.Scheme, base.Host, ""
	add := strings.TrimSuffix(base.Path, "/")
	if !strings.HasPrefix(out.URL.Path, prefix+"/") {
		add += prefix
	}
	out.URL.Path = add + out.URL.Path
	if out.URL.RawPath != "" {
		out.URL.RawPath = add + out.URL.RawPath
	}
	return out
}

// direct sends the request to a ready endpoint, without the prefix in its path.
func (d serviceDoor) direct(request *http.Request) (*http.Response, error) {
	pod, err := d.endpoint(request.Context())
	if err != nil {
		return nil, fmt.Errorf("finding an endpoint of Service/%s: %w", d.service.Name, err)
	}
	transport, done := d.cluster.PodTransport(pod)
	out := request.Clone(request.Context())
	out.URL.Path, out.URL.RawPath = strings.TrimPrefix(out.URL.Path, d.prefix), strings.TrimPrefix(out.URL.RawPath, d.prefix)
	response, err := transport.RoundTrip(out)
	if err != nil {
		done()
		return nil, err
	}
	response.Body = closing{response.Body, done}
	return response, nil
}

// endpoint gives a ready pod behind the Service's port.
func (d serviceDoor) endpoint(ctx context.Context) (pipeline.Pod, error) {
	service, err := d.cluster.Client.CoreV1().Services(d.service.Namespace).Get(ctx, d.service.Name, metav1.GetOptions{})
	if err != nil {
		return pipeline.Pod{}, err
	}
	name, found := portName(service, d.service.Port)
	if !found {
		return pipeline.Pod{}, fmt.Errorf("it has no port %d", d.service.Port)
	}
	slices, err := d.cluster.Client.DiscoveryV1().EndpointSlices(d.service.Namespace).List(ctx,
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + d.service.Name})
	if err != nil {
		return pipeline.Pod{}, err
	}
	for _, slice := range slices.Items {
		if pod, found := readyPod(slice, name); found {
			return pod, nil
		}
	}
	return pipeline.Pod{}, fmt.Errorf("none is ready on port %d", d.service.Port)
}

// portName is how endpoint slices call a Service's port; "" is a name, too.
func portName(service *corev1.Service, number int) (string, bool) {
	for _, p := range service.Spec.Ports {
		if int(p.Port) == number {
			return p.Name, true
		}
	}
	return "", false
}

func readyPod(slice discoveryv1.EndpointSlice, portName string) (pipeline.Pod, bool) {
	for _, port := range slice.Ports {
		if port.Port == nil || port.Name == nil && portName != "" || port.Name != nil && *port.Name != portName {
			continue
		}
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			if ready && e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				return pipeline.Pod{Namespace: slice.Namespace, Name: e.TargetRef.Name, Port: int(*port.Port)}, true
			}
		}
	}
	return pipeline.Pod{}, false
}

// closing ends the port-forward with the response's body.
type closing struct {
	io.ReadCloser
	done func()
}

// Close closes the body, then the port-forward.
func (c closing) Close() error {
	defer c.done()
	return c.ReadCloser.Close()
}
