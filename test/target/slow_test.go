package target

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slowly sends requests that never end, half a head or half a body. The controller takes
// a request for one when it is whole: what never ends takes nobody's place, and the
// limit holds beside it.
func (s sandbox) slowly(t *testing.T, client *http.Client) {
	t.Helper()
	const limited = "http://limited.example.com/"
	served := func() bool { status, _ := get(client, limited); return status == http.StatusOK }
	require.Eventually(t, served, time.Minute, time.Second)
	for range 100 {
		s.sends(t, "GET / HTTP/1.1\r\nHost: limited.example.com\r\nX-Slow: ")
		s.sends(t, "POST / HTTP/1.1\r\nHost: limited.example.com\r\nContent-Length: 900\r\n\r\nx")
	}
	require.Eventually(t, served, time.Minute, time.Second, "beside 200 halves of requests from the same address")
	require.Eventually(t, func() bool { return onlyFour(t, client) }, time.Minute, 3*time.Second)
}

// onlyFour reports whether of eight slow requests at once four are let in.
func onlyFour(t *testing.T, client *http.Client) bool {
	t.Helper()
	count := atOnce(client, "http://limited.example.com/cgi-bin/slow", 8)
	t.Logf("8 slow requests, 4 at once allowed: %v", count)
	return count[http.StatusOK] == 4 && count[http.StatusTooManyRequests] == 4
}

// sends opens a connection, writes a text and leaves it at that.
func (s sandbox) sends(t *testing.T, text string) {
	t.Helper()
	c, err := s.dial(t.Context(), "tcp", net.JoinHostPort("limited.example.com", "80"))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Write([]byte(text))
	require.NoError(t, err)
}
