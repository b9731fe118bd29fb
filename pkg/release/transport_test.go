package release

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scripted answers with one step after the other, the last one for ever.
type scripted struct {
	steps []func() (*http.Response, error)
	sent  []string // bodies
}

func (s *scripted) RoundTrip(request *http.Request) (*http.Response, error) {
	body := ""
	if request.Body != nil {
		text, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
	}
	step := s.steps[min(len(s.sent), len(s.steps)-1)]
	s.sent = append(s.sent, body)
	return step()
}

func failing(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

func answering(code int, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		recorder := httptest.NewRecorder()
		for _, name := range header {
			recorder.Header().Set(name, "1")
		}
		recorder.WriteHeader(code)
		return recorder.Result(), nil
	}
}

func TestRequestsAreRepeatedWhereThatIsSafe(t *testing.T) {
	refused := failing(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
	noSuchHost := failing(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}})
	reset := failing(&net.OpError{Op: "read", Err: syscall.ECONNRESET})
	ok := answering(http.StatusOK)
	cases := map[string]struct {
		method string
		steps  []func() (*http.Response, error)
		sent   int
	}{
		"a read after refused connections":         {http.MethodGet, []func() (*http.Response, error){refused, refused, ok}, 3},
		"a creation after a refused connection":    {http.MethodPost, []func() (*http.Response, error){refused, ok}, 2},
		"a patch after a reset":                    {http.MethodPatch, []func() (*http.Response, error){reset, ok}, 2},
		"a patch after a closed connection":        {http.MethodPatch, []func() (*http.Response, error){failing(io.EOF), ok}, 2},
		"no creation after a reset":                {http.MethodPost, []func() (*http.Response, error){reset, ok}, 1},
		"an update after 503":                      {http.MethodPut, []func() (*http.Response, error){answering(503), ok}, 2},
		"a read after 429":                         {http.MethodGet, []func() (*http.Response, error){answering(429), ok}, 2},
		"no creation after 503":                    {http.MethodPost, []func() (*http.Response, error){answering(503), ok}, 1},
		"503 with Retry-After is client-go's":      {http.MethodGet, []func() (*http.Response, error){answering(503, "Retry-After"), ok}, 1},
		"not after 500":                            {http.MethodGet, []func() (*http.Response, error){answering(500), ok}, 1},
		"not after 404":                            {http.MethodGet, []func() (*http.Response, error){answering(404), ok}, 1},
		"not for a host that does not exist":       {http.MethodGet, []func() (*http.Response, error){noSuchHost, ok}, 1},
		"not for ever: three in half the patience": {http.MethodGet, []func() (*http.Response, error){refused}, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			next := &scripted{steps: c.steps}
			d := newDoor(slog.New(slog.DiscardHandler), false)
			d.patience = 500 * time.Millisecond
			request, err := http.NewRequestWithContext(t.Context(), c.method, "http://api/x", strings.NewReader("body"))
			require.NoError(t, err)
			response, err := d.wrap(next).RoundTrip(request)
			if err == nil {
				require.NoError(t, response.Body.Close())
			}
			require.Len(t, next.sent, c.sent)
			for _, body := range next.sent {
				require.Equal(t, "body", body)
			}
		})
	}
}

func TestRequestsEndWithTheChangeTheyBelongTo(t *testing.T) {
	var reached []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		reached = append(reached, request.Method+" "+request.URL.Path)
	}))
	defer server.Close()
	d := newDoor(slog.New(slog.DiscardHandler), false)
	client := &http.Client{Transport: d.wrap(http.DefaultTransport)}
	send := func(method, path string) error {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		return err
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	d.during(ctx)
	require.NoError(t, send(http.MethodPatch, "/a"))
	ended := errors.New("ended")
	cancel(ended)
	require.ErrorIs(t, send(http.MethodPatch, "/b"), ended)
	require.NoError(t, send(http.MethodPut, "/secrets/sh.helm.release.v1.web.v2"), "Helm can still note the failure")
	require.ErrorIs(t, send(http.MethodPost, "/secrets/sh.helm.release.v1.web.v2"), ended)
	d.free()
	require.NoError(t, send(http.MethodPatch, "/c"))
	require.Equal(t, []string{"PATCH /a", "PUT /secrets/sh.helm.release.v1.web.v2", "PATCH /c"}, reached)
}

func TestADryDoorLetsNoWriteThrough(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { got = request.URL.String() }))
	defer server.Close()
	client := &http.Client{Transport: newDoor(slog.New(slog.DiscardHandler), true).wrap(http.DefaultTransport)}
	for method, want := range map[string]string{
		http.MethodGet: "/x?a=b", http.MethodPost: "/x?a=b&dryRun=All", http.MethodPut: "/x?a=b&dryRun=All",
		http.MethodPatch: "/x?a=b&dryRun=All", http.MethodDelete: "",
	} {
		got = ""
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/x?a=b", nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.Equal(t, want == "", err != nil, method)
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		require.Equal(t, want, got)
	}
}
