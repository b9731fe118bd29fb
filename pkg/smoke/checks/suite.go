// Package checks reads suites of HTTP checks: what is asked, how patiently, and what the
// environment fills in. It sends nothing; package smoke does.
package checks

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

// Suite is a list of checks and how patiently they are asked.
type Suite struct {
	// Consecutive is how often in a row each check must pass; default 1.
	Consecutive int
	// Attempts is how often a check is asked at most, but a row of passes that has
	// begun is finished; default 5. What says nothing about the application, as
	// an API server that is away or an answer 429, is not counted.
	Attempts int
	// Interval lies between two attempts; default 1 s.
	Interval time.Duration
	// Timeout bounds each request with its whole answer; default 10 s. A frozen
	// database never answers.
	Timeout time.Duration
	// Budget bounds a check with all its attempts; default 60 s.
	Budget time.Duration
	Checks []Check

	skipped *skipped // what Expand left out
}

// Check is one request and what its answer must be.
type Check struct {
	Name   string // may hold ${each}
	Method string // default GET
	Path   string // begins with "/"; may hold ${each}
	// Each makes one check of each of its words, which stands for ${each}. A word
	// may be "${NAME}" or "${NAME:-a,b}" and is then a list itself, with commas.
	Each []string
	// Headers and Body may hold ${NAME} and ${NAME:-default}; [Suite.Expand] fills them in.
	Headers map[string]string
	Body    string
	All     expect.All
	// Optional leaves the check out, with a warning, while a ${NAME} of it has no value.
	Optional bool
	// Assets also fetches every script and style sheet of the HTML that comes back,
	// as far as they are on the same host: each must be there, whole and not empty.
	Assets bool
	// FollowRedirects follows up to 5 redirects on the same host; by default a
	// redirect is an answer.
	FollowRedirects bool

	expanded bool     // Expand has filled everything in
	secrets  []string // the values it has filled in
}

// The defaults of a suite.
const (
	defaultConsecutive = 1
	defaultAttempts    = 5
	defaultInterval    = time.Second
	defaultTimeout     = 10 * time.Second
	defaultBudget      = time.Minute
)

// WithDefaults gives the suite with what it does not say.
func (s Suite) WithDefaults() Suite {
	s.Consecutive = cmp.Or(s.Consecutive, defaultConsecutive)
	s.Attempts = cmp.Or(s.Attempts, max(defaultAttempts, s.Consecutive))
	s.Interval = cmp.Or(s.Interval, defaultInterval)
	s.Budget = cmp.Or(s.Budget, defaultBudget)
	s.Timeout = cmp.Or(s.Timeout, min(defaultTimeout, s.Budget))
	s.Checks = slices.Clone(s.Checks)
	for i := range s.Checks {
		c := &s.Checks[i]
		c.Method = cmp.Or(c.Method, http.MethodGet)
		c.All = c.All.WithDefaults()
	}
	return s
}

// Selectors are those of the checks that want a browser, and whether there are any.
func (s Suite) Selectors() (selectors []string, wanted bool) {
	for _, c := range s.Checks {
		if b := c.All.Browser(); b != nil {
			selectors, wanted = append(selectors, b.Selector), true
		}
	}
	return slices.DeleteFunc(selectors, func(text string) bool { return text == "" }), wanted
}

// What a quick look may cost.
const (
	quickAttempts = 3
	quickBudget   = 5 * time.Second
)

// Quick is the same suite for a short look at what serves already: one pass is
// enough, at most 3 attempts, and at most 5 s for a check, or as much as the
// longest [MaxLatency] of the suite.
func (s Suite) Quick() Suite {
	s = s.WithDefaults()
	bound := quickBudget
	for _, c := range s.Checks {
		bound = max(bound, c.All.Patience())
	}
	s.Consecutive = 1
	s.Attempts = min(s.Attempts, quickAttempts)
	s.Interval = min(s.Interval, defaultInterval)
	s.Budget = min(s.Budget, bound)
	s.Timeout = min(s.Timeout, s.Budget)
	return s
}
