package target

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rootPEM is the root of the authority that issues certificates.
func (s sandbox) rootPEM(t *testing.T) string {
	t.Helper()
	bundle, err := os.ReadFile(s.CABundle)
	require.NoError(t, err)
	known := x509.NewCertPool()
	require.True(t, known.AppendCertsFromPEM(bundle))
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: known}}, Timeout: 10 * time.Second}
	answer, err := client.Get(s.ACMERoots)
	require.NoError(t, err)
	defer answer.Body.Close()
	root, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(root)
}

// roots are what a browser would trust.
func (s sandbox) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	all := x509.NewCertPool()
	require.True(t, all.AppendCertsFromPEM([]byte(s.rootPEM(t))))
	return all
}

// dial goes to the ingress controller, whatever the name; the port stays.
func (s sandbox) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, net.JoinHostPort(s.IngressAddress, port))
}

// aVisitorWaits so long, about as a browser does: what is slow is in the tables, and not failed.
const aVisitorWaits = 3 * time.Minute

// client is a visitor who follows no redirect. Each has connections of its own.
func (s sandbox) client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: s.dial, TLSClientConfig: &tls.Config{RootCAs: s.roots(t)}, MaxIdleConnsPerHost: 300}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: aVisitorWaits, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// handshake tries one version of TLS, and gives what the server shows.
func (s sandbox) handshake(t *testing.T, host string, version uint16) (tls.ConnectionState, error) {
	t.Helper()
	raw, err := s.dial(t.Context(), "tcp", net.JoinHostPort(host, "443"))
	require.NoError(t, err)
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{ServerName: host, RootCAs: s.roots(t), MinVersion: version, MaxVersion: version})
	err = conn.HandshakeContext(t.Context())
	return conn.ConnectionState(), err
}

// get gives the status of an answer, and where it sends the visitor; 0 is no answer.
func get(client *http.Client, url string) (status int, location string) {
	answer, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, answer.Header.Get("Location")
}

// atOnce sends requests side by side and counts the answers by their status.
func atOnce(client *http.Client, url string, requests int) map[int]int {
	answers := make(chan int, requests)
	for range requests {
		go func() {
			status, _ := get(client, url)
			answers <- status
		}()
	}
	count := map[int]int{}
	for range requests {
		count[<-answers]++
	}
	return count
}
