package kube

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// portForwards is an API server that only forwards ports: the application behind it
// answers what it is asked, and /break breaks the tunnel. It counts the tunnels.
type portForwards struct{ tunnels atomic.Int32 }

// ServeHTTP is one tunnel.
func (p *portForwards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return // a WebSocket: it is refused, and the older way is tried then
	}
	p.tunnels.Add(1)
	streams := make(chan httpstream.Stream, 10)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if connection == nil {
		return
	}
	defer func() { _ = connection.Close() }()
	for {
		select {
		case s := <-streams:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeData && !answered(s) {
				return
			}
			_ = s.Close()
		case <-connection.CloseChan():
			return
		}
	}
}

// answered reports whether the application has answered, false when the tunnel is to break.
func answered(s httpstream.Stream) bool {
	request, err := http.ReadRequest(bufio.NewReader(s))
	if err != nil {
		return true
	}
	if request.URL.Path == "/break" {
		return false
	}
	_, _ = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"+request.URL.Path)
	return true
}

// kubernetes/kubernetes#78446, #107203, kubernetes/kubectl#686: a port-forward breaks when it likes, and takes no request afterwards.
func TestCluster_PodTransport_ATunnelThatBreaksSaysNothingOfTheApplicationAndIsMadeAnew(t *testing.T) {
	forwards := &portForwards{}
	server := httptest.NewServer(forwards)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	f := (&Cluster{Client: client, Config: config}).forward(record.Pod{Namespace: "n", Name: "a", Port: 80})
	f.breakTime = time.Minute // however loaded the machine is
	t.Cleanup(f.close)
	transport := f.transport()
	ask := func(path string) (string, error) {
		// No GET, which the API server's proxy would be asked for next.
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://pod"+path, nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(request)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(response.Body)
		return string(text), errors.Join(err, response.Body.Close())
	}
	for tunnel := range int32(3) {
		for range 2 {
			text, err := ask("/page")
			require.NoError(t, err)
			require.Equal(t, "/page", text)
		}
		require.Equal(t, tunnel+1, forwards.tunnels.Load(), "one for all requests, until it breaks")
		_, err := ask("/break")
		require.ErrorContains(t, err, "the port-forward broke")
		require.Equal(t, record.KindUnavailable, record.KindOf(err))
	}
}
