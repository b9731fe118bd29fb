package kube

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
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

func TestPatience_RepeatsWhereThatIsSafe(t *testing.T) {
	refused := failing(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
	noSuchHost := failing(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}})
	reset := failing(&net.OpError{Op: "read", Err: syscall.ECONNRESET})
	ok := answering(http.StatusOK)
	cases := map[string]struct {
		method string
		steps  []func() (*http.Response, error)
		sent   int
	}{
		"a read after refused connections":      {http.MethodGet, []func() (*http.Response, error){refused, refused, ok}, 3},
		"a creation after a refused connection": {http.MethodPost, []func() (*http.Response, error){refused, ok}, 2},
		"a patch after a reset":                 {http.MethodPatch, []func() (*http.Response, error){reset, ok}, 2},
		"a patch after a closed connection":     {http.MethodPatch, []func() (*http.Response, error){failing(io.EOF), ok}, 2},
		"no creation after a reset":             {http.MethodPost, []func() (*http.Response, error){reset, ok}, 1},
		"an update after 503":                   {http.MethodPut, []func() (*http.Response, error){answering(503), ok}, 2},
		"a read after 429":                      {http.MethodGet, []func() (*http.Response, error){answering(429), ok}, 2},
		"no creation after 503":                 {http.MethodPost, []func() (*http.Response, error){answering(503), ok}, 1},
		"503 with Retry-After is client-go's":   {http.MethodGet, []func() (*http.Response, error){answering(503, "Retry-After"), ok}, 1},
		"not after 500":                         {http.MethodGet, []func() (*http.Response, error){answering(500), ok}, 1},
		"not after 404":                         {http.MethodGet, []func() (*http.Response, error){answering(404), ok}, 1},
		"not for a host that does not exist":    {http.MethodGet, []func() (*http.Response, error){noSuchHost, ok}, 1},
		"not for ever":                          {http.MethodGet, []func() (*http.Response, error){refused}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &scripted{steps: c.steps}
				request, err := http.NewRequestWithContext(t.Context(), c.method, "http://api/x", strings.NewReader("body"))
				require.NoError(t, err)
				began := time.Now()
				response, err := Patience(nil, 500*time.Millisecond)(next).RoundTrip(request)
				if err == nil {
					require.NoError(t, response.Body.Close())
				}
				if c.sent > 0 {
					require.Len(t, next.sent, c.sent)
				} else {
					require.Contains(t, []int{4, 5}, len(next.sent), "the waits grow, and a half of each is chance")
					require.Equal(t, 500*time.Millisecond, time.Since(began), "for as long as was asked for")
				}
				for _, body := range next.sent {
					require.Equal(t, "body", body)
				}
			})
		})
	}
}

// uncallable is the API server's answer when a webhook could not be called.
func uncallable() (*http.Response, error) {
	recorder := httptest.NewRecorder()
	recorder.WriteHeader(http.StatusInternalServerError)
	_, _ = recorder.WriteString(`{"kind":"Status","reason":"InternalError","message":"Internal error occurred: failed calling webhook \"w\": failed to call webhook: the server has received too many requests"}`)
	return recorder.Result(), nil
}

// spiffe/spire-controller-manager#389: "repeated helm upgrade usually is successful".
func TestPatience_WhatAWebhookWasNotAskedAboutIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ok := answering(http.StatusOK)
		p := Patience(nil, 20*time.Second)
		send := func(next *scripted) (code int, text string, took time.Duration) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api/x", strings.NewReader("body"))
			require.NoError(t, err)
			began := time.Now()
			response, err := p(next).RoundTrip(request)
			require.NoError(t, err)
			words, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			return response.StatusCode, string(words), time.Since(began)
		}
		once := &scripted{steps: []func() (*http.Response, error){uncallable, ok}}
		code, _, _ := send(once)
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, []string{"body", "body"}, once.sent)

		down := &scripted{steps: []func() (*http.Response, error){uncallable}}
		code, text, took := send(down)
		require.Equal(t, http.StatusInternalServerError, code)
		require.Contains(t, text, "failed calling webhook", "the last answer can be read")
		require.Equal(t, webhookPatience, took)
		_, _, took = send(down)
		require.Zero(t, took, "it counts for all requests together")
		time.Sleep(2 * webhookForgotten)
		_, _, took = send(down)
		require.Greater(t, took, 2*time.Second, "this is new trouble")
	})
}

func TestPatience_TheWaitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		log := slog.New(slog.NewTextHandler(&lines, nil))
		began := time.Now()
		away := func() (*http.Response, error) {
			if time.Since(began) < 9*time.Second {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return answering(http.StatusOK)()
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api/x", nil)
		require.NoError(t, err)
		response, err := Patience(log, 20*time.Second)(&scripted{steps: []func() (*http.Response, error){away}}).RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, 2, strings.Count(lines.String(), "waiting for the API server: dial: connection refused (retrying until"), lines.String())
		require.Contains(t, lines.String(), "the API server answers again")
	})
}

func TestPatience_EndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://api/x", nil)
		require.NoError(t, err)
		began := time.Now()
		refused := failing(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})
		_, err = Patience(nil, 20*time.Second)(&scripted{steps: []func() (*http.Response, error){refused}}).RoundTrip(request) // there is none
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
	})
}

// The answer of an application through the API server's proxy is not the API server's.
func TestPatience_WhatAnApplicationAnswersIsAskedOnce(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	cluster, err := Connect(Options{Kubeconfig: write(t, server.URL)})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://target.invalid/", nil)
	require.NoError(t, err)
	response, err := cluster.ServiceTransport(record.Service{Namespace: "n", Name: "a", Port: 80}).RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 1, asked)
}
