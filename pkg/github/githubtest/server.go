// Package githubtest is a server that behaves like GitHub's REST API, as far as this
// program uses it: it checks each request against GitHub's own description of it
// (github/rest-api-description, version 2026-03-10), refuses what GitHub refuses with
// its words, and fails the test on a request that it was not told of.
package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Token is the one that the server knows.
const Token = "ghs_0123456789abcdefghijABCDEFGHIJ012345"

// Repository is the one that the token sees.
const Repository = "org/web"

// Server is GitHub for one repository.
type Server struct {
	*httptest.Server
	t testing.TB

	mu          sync.Mutex
	permissions map[string]string // of the token, as in a workflow: "deployments" is "write"
	// commits are those that the repository has; a deployment of another is a 422.
	commits      map[string]bool
	failing      bool // checks of the commits, this very job among them
	refusals     []Refusal
	requests     []string
	deployments  []*Deployment
	comments     []Comment
	analyses     []Analysis
	attestations []json.RawMessage
	ids          int64
}

// Refusal is what the server answers to the next requests that match.
type Refusal struct {
	Request string // "POST /deployments": method and the end of the path; "" for any
	Status  int
	Header  map[string]string
	Message string
	// Times is how often; 0 for always.
	Times int
	// Hang answers nothing until the client gives up.
	Hang bool
}

// New starts a server whose token may what permissions say: "deployments: write".
// Commits are those that the repository has.
func New(t testing.TB, permissions []string, commits ...string) *Server {
	s := &Server{t: t, permissions: map[string]string{}, commits: map[string]bool{}}
	for _, one := range permissions {
		name, level, _ := strings.Cut(one, ": ")
		s.permissions[name] = level
	}
	for _, one := range commits {
		s.commits[one] = true
	}
	s.Server = httptest.NewServer(s.routes())
	t.Cleanup(s.Close)
	return s
}

// Refuse answers the next matching requests so. Of several the first that matches counts.
func (s *Server) Refuse(all ...Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = append(s.refusals, all...)
}

// FailChecks makes the checks of all commits fail, or wait.
func (s *Server) FailChecks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = true
}

// Requests are those that came, as "METHOD /path".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, permission string, do func(*call)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /repos/{owner}/{repo}"+path, func(w http.ResponseWriter, r *http.Request) {
			s.serve(w, r, permission, do)
		})
	}
	handle("GET /deployments", "deployments: read", s.listDeployments)
	handle("POST /deployments", "deployments: write", s.createDeployment)
	handle("GET /deployments/{id}/statuses", "deployments: read", s.listStatuses)
	handle("POST /deployments/{id}/statuses", "deployments: write", s.createStatus)
	handle("GET /issues/{number}/comments", "pull-requests: read", s.listComments)
	handle("POST /issues/{number}/comments", "pull-requests: write", s.createComment)
	handle("PATCH /issues/comments/{id}", "pull-requests: write", s.updateComment)
	handle("POST /code-scanning/sarifs", "security-events: write", s.uploadSARIF)
	handle("POST /attestations", "attestations: write", s.createAttestation)
	mux.HandleFunc("GET "+identityPath, s.identify)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.t.Errorf("GitHub was asked %s %s, which it was not told of", r.Method, r.URL)
		refuse(w, http.StatusNotFound, "Not Found", nil)
	})
	return mux
}

// serve answers in the order in which GitHub looks: is it overloaded, who asks, does he
// see the repository, may he, is the request right.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, permission string, do func(*call)) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	planned, found := s.planned(r)
	s.mu.Unlock()
	switch {
	case found && planned.Hang:
		<-r.Context().Done()
		return
	case found:
		refuse(w, planned.Status, planned.Message, planned.Header)
		return
	case r.Header.Get("User-Agent") == "" || strings.HasPrefix(r.Header.Get("User-Agent"), "Go-http-client"):
		refuse(w, http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header", nil)
		return
	case r.Header.Get("Authorization") != "Bearer "+Token:
		refuse(w, http.StatusUnauthorized, "Bad credentials", nil)
		return
	case r.PathValue("owner")+"/"+r.PathValue("repo") != Repository:
		refuse(w, http.StatusNotFound, "Not Found", nil)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.may(permission) {
		refuse(w, http.StatusForbidden, "Resource not accessible by integration",
			map[string]string{"X-Accepted-GitHub-Permissions": strings.ReplaceAll(strings.ReplaceAll(permission, ": ", "="), "-", "_")})
		return
	}
	do(&call{w: w, r: r, s: s})
}

// planned is the refusal that stands for a request.
func (s *Server) planned(r *http.Request) (Refusal, bool) {
	for i := range s.refusals {
		one := &s.refusals[i]
		method, path, _ := strings.Cut(one.Request, " ")
		if one.Times < 0 || one.Request != "" && (method != r.Method || !strings.HasSuffix(r.URL.Path, path)) {
			continue
		}
		if one.Times > 0 {
			if one.Times--; one.Times == 0 {
				one.Times = -1
			}
		}
		return *one, true
	}
	return Refusal{}, false
}

// may reports whether the token has a permission: who may write may read.
func (s *Server) may(permission string) bool {
	name, level, _ := strings.Cut(permission, ": ")
	has := s.permissions[name]
	return has == "write" || has == level
}

func (s *Server) next() int64 {
	s.ids++
	return s.ids
}

// refuse answers as GitHub does.
func refuse(w http.ResponseWriter, status int, message string, header map[string]string, errors ...any) {
	for name, value := range header {
		w.Header().Set(name, value)
	}
	body := map[string]any{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)}
	if strings.Contains(message, "secondary rate limit") {
		body["documentation_url"] = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	}
	if len(errors) > 0 {
		body["errors"] = errors
	}
	answer(w, status, body)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// call is one request that is let in.
type call struct {
	w http.ResponseWriter
	r *http.Request
	s *Server
}

// page cuts a list as the query asks: 30 a page unless told, 100 at most.
func page[T any](c *call, all []T) []T {
	size, number := c.number("per_page", 30), c.number("page", 1)
	size = min(size, 100)
	begin := min(max(number-1, 0)*size, len(all))
	end := min(begin+size, len(all))
	if end < len(all) {
		c.w.Header().Set("Link", fmt.Sprintf(`<%s%s?per_page=%d&page=%d>; rel="next"`, c.s.URL, c.r.URL.Path, size, number+1))
	}
	return all[begin:end]
}

func (c *call) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(c.r.URL.Query().Get(name)); err == nil {
		return n
	}
	return otherwise
}
