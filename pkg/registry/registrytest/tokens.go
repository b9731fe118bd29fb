package registrytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tokens are what another host gives out for the scopes that a client asks for.
type tokens struct {
	uses  int // after so many uses a token is no longer good
	mu    sync.Mutex
	given map[string]*token
	late  map[string]bool // the requests that came with a token that was used up
}

type token struct {
	scopes []string
	left   int
}

// Tokens wants a token for each repository and what is done there. Another host gives
// them to "me" with the password "secret", each good for so many requests, and none to
// anybody when that is zero. A request is refused once because its token is used up, and
// no second time: those beside it may have used up the next one. That host is given as a
// name, or as an address.
func Tokens(uses int, host string) Switch {
	return func(t *testing.T, next http.Handler) http.Handler {
		all := &tokens{uses: uses, given: map[string]*token{}, late: map[string]bool{}}
		_, port, _ := strings.Cut(Start(t, all), ":")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			scope := scopeOf(r)
			if all.good(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), scope, r.Method+r.URL.String()) {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s:%s/token",service="registry",scope=%q`, host, port, scope))
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		})
	}
}

// scopeOf is what a request needs.
func scopeOf(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		repository, _, found := strings.Cut(path, part)
		switch {
		case found && Writes(r):
			return "repository:" + repository + ":push,pull"
		case found:
			return "repository:" + repository + ":pull"
		}
	}
	return ""
}

// ServeHTTP gives a token.
func (a *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "me" || password != "secret" || a.uses == 0 {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "wrong credentials")
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	name := fmt.Sprintf("token-%d", len(a.given))
	a.given[name] = &token{scopes: r.URL.Query()["scope"], left: a.uses}
	_, _ = fmt.Fprintf(w, `{"token":%q,"expires_in":60}`, name)
}

// good takes one use of a token for a scope. Who may push may pull.
func (a *tokens) good(name, scope, request string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.given[name]
	if scope == "" || one == nil {
		return scope == "" && one != nil
	}
	if one.left == 0 && !a.late[request] {
		a.late[request] = true
		return false
	}
	one.left = max(0, one.left-1)
	push := strings.TrimSuffix(scope, ":pull") + ":push,pull"
	return slices.Contains(one.scopes, scope) || slices.Contains(one.scopes, push)
}
