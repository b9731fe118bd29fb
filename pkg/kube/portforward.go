package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// forwardTimeout bounds how long a port-forward may take to stand.
const forwardTimeout = 15 * time.Second

// PodTransport gives HTTP to one pod, whatever Services select: by a port-forward
// that is made at the first request. done ends it.
//
// An error of the tunnel, which says nothing about the application, is of
// [record.KindUnavailable]; the next request makes a new tunnel. That nothing
// listens in the pod is an error of the application. A request by https speaks TLS
// with the pod; its certificate is not verified, it names no pod.
func (c *Cluster) PodTransport(pod record.Pod) (transport http.RoundTripper, done func()) {
	f := c.forward(pod)
	return f.transport(), f.close
}

// forward is a port-forward to one pod that starts when it is first needed.
type forward struct {
	cluster *Cluster
	pod     record.Pod
	mu      sync.Mutex
	address string        // of the local end, "" before the start
	lost    chan struct{} // closed when the present tunnel breaks
	stop    chan struct{}
	once    sync.Once
	// breakTime is how long after a connection the tunnel under it may take to break.
	breakTime time.Duration
}

func (c *Cluster) forward(pod record.Pod) *forward {
	return &forward{cluster: c, pod: pod, stop: make(chan struct{}), lost: make(chan struct{}), breakTime: 300 * time.Millisecond}
}

func (f *forward) transport() http.RoundTripper {
	return tunnelled{&http.Transport{DialContext: f.dial, DialTLSContext: f.dialTLS, DisableKeepAlives: true}, f}
}

func (f *forward) close() { f.once.Do(func() { close(f.stop) }) }

// dial connects to the local end; the address that HTTP asks for does not matter.
func (f *forward) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	address, err := f.start(ctx)
	if err != nil {
		return nil, unavailable(fmt.Errorf("forwarding a port to pod %s: %w", f.pod.Name, err))
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// dialTLS speaks TLS through the tunnel. No name is asked for: a server that has
// several certificates gives its first.
func (f *forward) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := f.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // pods have certificates of their own making; the way there is the API server's
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("speaking TLS with pod %s: %w", f.pod.Name, err)
	}
	return secure, nil
}

// unavailable marks an error that says nothing about the application.
func unavailable(err error) error { return record.Unavailable(record.CodeNoTunnel, "%w", err) }

// tunnel is the present one: lost tells when it breaks.
func (f *forward) tunnel() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// blame tells an error of the tunnel from one of the application: when the tunnel
// breaks, every connection in it does, a moment before or after.
func (f *forward) blame(err error, lost <-chan struct{}) error {
	select {
	case <-lost:
		return unavailable(fmt.Errorf("the port-forward broke: %w", err))
	case <-time.After(f.breakTime):
		return err
	}
}

// tunnelled is HTTP through a port-forward.
type tunnelled struct {
	*http.Transport
	forward *forward
}

// RoundTrip sends the request through the tunnel.
func (t tunnelled) RoundTrip(request *http.Request) (*http.Response, error) {
	lost := t.forward.tunnel()
	response, err := t.Transport.RoundTrip(request)
	if err != nil {
		if record.KindOf(err) == record.KindUnavailable || request.Context().Err() != nil {
			return nil, err
		}
		err = t.forward.blame(err, lost)
		if record.KindOf(err) == record.KindUnavailable {
			if response := t.forward.byProxy(request); response != nil {
				return response, nil
			}
		}
		return nil, err
	}
	response.Body = tunnelledBody{response.Body, t.forward, lost}
	return response, nil
}

// byProxy asks the pod by the API server's proxy, nil when that gives no answer of the pod's: a tunnel
// ends on the pod's localhost, and breaks when the application listens on the pod's address
// only, where Services and probes ask it (https://github.com/kubernetes/kubernetes/issues/87484). The
// kubeconfig's user need not be allowed to.
func (f *forward) byProxy(request *http.Request) *http.Response {
	if request.Method != http.MethodGet && request.Method != http.MethodHead || request.Header.Get("Authorization") != "" {
		return nil
	}
	proxy := serviceTransport{cluster: f.cluster, service: record.Service{Namespace: f.pod.Namespace, Name: f.pod.Name},
		prefix: fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%s:%d/proxy", f.pod.Namespace, request.URL.Scheme, f.pod.Name, f.pod.Port)}
	response, err := proxy.RoundTrip(request)
	if err != nil {
		return nil
	}
	if _, its := peek(response); its {
		_ = response.Body.Close()
		return nil
	}
	return response
}

type tunnelledBody struct {
	io.ReadCloser
	forward *forward
	lost    <-chan struct{}
}

// Read reads what comes through the tunnel.
func (b tunnelledBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.forward.blame(err, b.lost)
	}
	return n, err
}

func (f *forward) start(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.address != "" {
		return f.address, nil
	}
	dialer, err := f.cluster.podDialer(f.pod)
	if err != nil {
		return "", err
	}
	ready := make(chan struct{})
	ports := []string{"0:" + strconv.Itoa(f.pod.Port)}
	forwarder, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, ports, f.stop, ready, io.Discard, io.Discard)
	if err != nil {
		return "", err
	}
	failed := make(chan error, 1)
	go func() {
		failed <- record.Guard(forwarder.ForwardPorts)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.address = "" // a lost connection: the next request makes a new one
		close(f.lost)
		f.lost = make(chan struct{})
	}()
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	select {
	case <-ready:
	case err := <-failed:
		if err == nil {
			err = errors.New("closed")
		}
		return "", err
	case <-ctx.Done():
		return "", ctx.Err()
	}
	local, err := forwarder.GetPorts()
	if err != nil {
		return "", err
	}
	f.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(local[0].Local)))
	return f.address, nil
}

// podDialer prefers WebSockets, which pass more proxies, over the older SPDY.
func (c *Cluster) podDialer(pod record.Pod) (httpstream.Dialer, error) {
	target := c.Client.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(c.Config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, c.Config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}
