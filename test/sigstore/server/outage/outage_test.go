package outage

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func serve(t *testing.T, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func do(t *testing.T, method, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		t.Cleanup(func() { _ = response.Body.Close() })
	}
	return response, err
}

func TestAnOutageIsControlledOverHTTP(t *testing.T) {
	gate := NewGate(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	server, control := serve(t, gate), serve(t, Control{"fulcio": gate})
	status := func() int {
		response, err := do(t, http.MethodPost, server)
		require.NoError(t, err)
		return response.StatusCode
	}
	tell := func(method, path string) int {
		response, err := do(t, method, control+path)
		require.NoError(t, err)
		return response.StatusCode
	}

	require.Equal(t, http.StatusNoContent, status())
	require.Equal(t, http.StatusOK, tell(http.MethodPut, "/fulcio?mode=503&requests=2"))
	require.Equal(t, http.StatusServiceUnavailable, status())
	require.Equal(t, http.StatusServiceUnavailable, status())
	require.Equal(t, http.StatusNoContent, status(), "after as many requests it is over")

	require.Equal(t, http.StatusOK, tell(http.MethodPut, "/fulcio?mode=reset&requests=1"))
	_, err := do(t, http.MethodPost, server)
	require.ErrorIs(t, err, syscall.ECONNRESET)

	require.Equal(t, http.StatusOK, tell(http.MethodPut, "/fulcio?mode=503&for=1h"))
	require.Equal(t, http.StatusServiceUnavailable, status())
	require.Equal(t, http.StatusOK, tell(http.MethodDelete, "/fulcio"))
	require.Equal(t, http.StatusNoContent, status())

	response, err := do(t, http.MethodGet, control+"/fulcio")
	require.NoError(t, err)
	var counts map[string]int
	require.NoError(t, json.NewDecoder(response.Body).Decode(&counts))
	require.Equal(t, map[string]int{"requests": 7, "failed": 4}, counts)
}

func TestWhatControlDoesNotUnderstandItRefuses(t *testing.T) {
	control := serve(t, Control{"fulcio": NewGate(http.NotFoundHandler())})
	for path, want := range map[string]int{
		"/rekor?mode=503&requests=1":          http.StatusNotFound,
		"/fulcio":                             http.StatusBadRequest,
		"/fulcio?mode=500&requests=1":         http.StatusBadRequest,
		"/fulcio?mode=503&requests=-1":        http.StatusBadRequest,
		"/fulcio?mode=503&requests=few":       http.StatusBadRequest,
		"/fulcio?mode=503&for=long":           http.StatusBadRequest,
		"/fulcio?mode=503&requests=1&since=1": http.StatusBadRequest,
	} {
		response, err := do(t, http.MethodPut, control+path)
		require.NoError(t, err)
		require.Equal(t, want, response.StatusCode, path)
	}
}

func TestAnOutageEndsByItself(t *testing.T) {
	gate := NewGate(http.NotFoundHandler())
	require.NoError(t, gate.Fail(Unavailable, 0, time.Nanosecond))
	require.Eventually(t, func() bool {
		_, failing := gate.admit()
		return !failing
	}, time.Minute, time.Millisecond)
}
