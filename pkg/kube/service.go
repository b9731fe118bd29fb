package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/stagecrew/stagecrew/pkg/body"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// ServiceTransport gives HTTP through a Service, by the API server's proxy: the
// request reaches one of the Service's endpoints. A request with credentials of
// its own goes to a ready endpoint by a port-forward instead: the API server
// takes the Authorization header for its own and does not pass it on. The certificate
// of a Service that speaks TLS is not checked: it need not name the Service.
func (c *Cluster) ServiceTransport(service record.Service) http.RoundTripper {
	scheme := "http"
	if service.HTTPS {
		scheme = "https"
	}
	return serviceTransport{
		cluster: c, service: service,
		prefix: fmt.Sprintf("/api/v1/namespaces/%s/services/%s:%s:%d/proxy", service.Namespace, scheme, service.Name, service.Port),
	}
}

type serviceTransport struct {
	cluster *Cluster
	service record.Service
	prefix  string
}

// RoundTrip sends the request to the API server. Links in HTML come back with
// the proxy's prefix; a path that has it already is left alone.
func (d serviceTransport) RoundTrip(request *http.Request) (*http.Response, error) {
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
	response, err := transport.RoundTrip(through(request, base, d.prefix))
	if err != nil {
		return nil, unavailable(fmt.Errorf("reaching Service/%s by the API server: %w", d.service.Name, err))
	}
	if err := refusedByAPIServer(response); err != nil {
		return nil, unavailable(fmt.Errorf("reaching Service/%s by the API server: %w", d.service.Name, err))
	}
	d.home(response, request.URL, base)
	return response, nil
}

// home makes an address of the API server's proxy one of the Service again, as the
// application meant it.
func (d serviceTransport) home(response *http.Response, asked, base *url.URL) {
	location, err := url.Parse(response.Header.Get("Location"))
	if err != nil || location.Host != base.Host {
		return
	}
	path, found := strings.CutPrefix(location.Path, strings.TrimSuffix(base.Path, "/")+d.prefix)
	if !found {
		return
	}
	location.Scheme, location.Host, location.Path, location.RawPath = asked.Scheme, asked.Host, path, ""
	response.Header.Set("Location", location.String())
}

// aboutTheService are the API server's words when it could not reach the
// application, which is an answer about the application.
var aboutTheService = []string{"error trying to reach service", "no endpoints available for service"}

// maxStatus bounds an answer of the API server itself, in bytes.
const maxStatus = 8 << 10

// refusedByAPIServer tells an answer of the API server itself, shutting down or
// without permission, from one of the application.
func refusedByAPIServer(response *http.Response) error {
	status, its := peek(response)
	if !its {
		return nil
	}
	for _, words := range aboutTheService {
		if strings.Contains(status.Message, words) {
			return nil
		}
	}
	_ = response.Body.Close()
	return &apierrors.StatusError{ErrStatus: status}
}

// peek reads a failure in the API server's own words from an answer, whose body stays whole;
// false for an answer of the application.
func peek(response *http.Response) (metav1.Status, bool) {
	if response.StatusCode < 400 || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		return metav1.Status{}, false
	}
	// An error comes again when the rest of the body is read.
	head, _ := io.ReadAll(io.LimitReader(response.Body, maxStatus))
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), response.Body), response.Body}
	return asStatus(head)
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
func (d serviceTransport) direct(request *http.Request) (*http.Response, error) {
	pod, err := d.endpoint(request.Context())
	if err != nil {
		err = fmt.Errorf("finding an endpoint of Service/%s: %w", d.service.Name, err)
		if !errors.Is(err, errNoEndpoint) {
			err = unavailable(err)
		}
		return nil, err
	}
	transport, done := d.cluster.PodTransport(pod)
	out := request.Clone(request.Context())
	out.URL.Path, out.URL.RawPath = strings.TrimPrefix(out.URL.Path, d.prefix), strings.TrimPrefix(out.URL.RawPath, d.prefix)
	out.URL.Scheme = "http"
	if pod.HTTPS {
		out.URL.Scheme = "https"
	}
	response, err := transport.RoundTrip(out)
	if err != nil {
		done()
		return nil, err
	}
	response.Body = body.OnClose(response.Body, done)
	return response, nil
}

// errNoEndpoint is returned for a Service that leads nowhere. It has no words of
// its own.
var errNoEndpoint = errors.New("")

// endpoint gives a ready pod behind the Service's port.
func (d serviceTransport) endpoint(ctx context.Context) (record.Pod, error) {
	service, err := d.cluster.Client.CoreV1().Services(d.service.Namespace).Get(ctx, d.service.Name, metav1.GetOptions{})
	if err != nil {
		return record.Pod{}, err
	}
	name, found := portName(service, d.service.Port)
	if !found {
		return record.Pod{}, fmt.Errorf("it has no port %d%w", d.service.Port, errNoEndpoint)
	}
	slices, err := d.cluster.Client.DiscoveryV1().EndpointSlices(d.service.Namespace).List(ctx,
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + d.service.Name})
	if err != nil {
		return record.Pod{}, err
	}
	for _, slice := range slices.Items {
		if pod, found := readyPod(slice, name); found {
			pod.HTTPS = d.service.HTTPS
			return pod, nil
		}
	}
	return record.Pod{}, fmt.Errorf("none is ready on port %d%w", d.service.Port, errNoEndpoint)
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

func readyPod(slice discoveryv1.EndpointSlice, portName string) (record.Pod, bool) {
	for _, port := range slice.Ports {
		if port.Port == nil || port.Name == nil && portName != "" || port.Name != nil && *port.Name != portName {
			continue
		}
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			if ready && e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				return record.Pod{Namespace: slice.Namespace, Name: e.TargetRef.Name, Port: int(*port.Port)}, true
			}
		}
	}
	return record.Pod{}, false
}

// asStatus reads a failure in the API server's own words; false for other text.
func asStatus(text []byte) (metav1.Status, bool) {
	var status metav1.Status
	err := json.Unmarshal(text, &status)
	return status, err == nil && status.Kind == "Status" && status.APIVersion == "v1" && status.Status == metav1.StatusFailure
}
