package registry

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// greeting asks a registry once how it wants to be logged in to, and remembers the
// answer for the rest of the talk: the libraries ask before each of a talk's logins
// (reading, writing, another repository), which is a round trip each.
type greeting struct {
	next  http.RoundTripper
	mu    sync.Mutex
	hosts map[string]*greeted
}

// greeted is the answer of one registry, empty until there is one to keep.
type greeted struct {
	mu       sync.Mutex
	response *http.Response
	body     []byte
}

// RoundTrip implements [http.RoundTripper].
func (g *greeting) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet || request.URL.Path != "/v2/" || request.Header.Get("Authorization") != "" {
		return g.next.RoundTrip(request)
	}
	host := g.host(request.URL.Scheme + "://" + request.URL.Host)
	host.mu.Lock()
	defer host.mu.Unlock()
	if host.response == nil {
		response, err := g.next.RoundTrip(request)
		if err != nil || response.StatusCode != http.StatusOK && response.StatusCode != http.StatusUnauthorized {
			return response, err
		}
		defer func() { _ = response.Body.Close() }()
		if host.body, err = io.ReadAll(io.LimitReader(response.Body, maxProblem)); err != nil {
			return nil, err
		}
		host.response = response
	}
	again := *host.response
	again.Header, again.Request = again.Header.Clone(), request
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(host.body)), int64(len(host.body))
	return &again, nil
}

func (g *greeting) host(name string) *greeted {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hosts[name] == nil {
		g.hosts[name] = &greeted{}
	}
	return g.hosts[name]
}
