package registry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARegistryIsGreetedOnceInATalk(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		want   int32 // requests for five greetings
	}{
		{"one that wants no login", http.StatusOK, 1},
		{"one that says where to log in", http.StatusUnauthorized, 1},
		{"one that has no such address", http.StatusNotFound, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.example.com/token"`)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, "words")
			}))
			defer server.Close()
			client := Access{Insecure: []string{"127.0.0.1"}}.Connect()
			get := func(path, authorization string) {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
				if !assertNoError(t, err) {
					return
				}
				if authorization != "" {
					request.Header.Set("Authorization", authorization)
				}
				response, err := client.Transport.RoundTrip(request)
				if !assertNoError(t, err) {
					return
				}
				defer response.Body.Close()
				text, err := io.ReadAll(response.Body)
				if err != nil || string(text) != "words" || response.StatusCode != c.status || !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer") || response.Request != request {
					t.Errorf("another answer: %d %q %v", response.StatusCode, text, err)
				}
			}
			var group sync.WaitGroup
			for range 5 {
				group.Go(func() { get("/v2/", "") })
			}
			group.Wait()
			require.Equal(t, c.want, asked.Load())
			get("/v2/", "Bearer x")
			get("/v2/team/app/tags/list", "")
			require.Equal(t, c.want+2, asked.Load(), "nothing else is remembered")
		})
	}
}

func assertNoError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
