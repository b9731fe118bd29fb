// Package smoke sends HTTP requests that prove something: each check says what
// the answer must look like, not only that there is one. Answers are untrusted:
// they are read up to a limit, and what of them reaches a result is short, on one
// line, and free of credentials. The package needs the standard library only.
package smoke

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Suite is a list of checks and how patiently they are asked.
type Suite struct {
	// Consecutive is how often in a row each check must pass; default 1.
	Consecutive int `json:"consecutive"`
	// Attempts is how often a check is asked at most; default 5.
	Attempts int `json:"attempts"`
	// Interval lies between two attempts; default 1 s.
	Interval Duration `json:"interval"`
	// Timeout bounds each request; default 10 s. A frozen database never answers.
	Timeout Duration `json:"timeout"`
	// Budget bounds a check with all its attempts; default 60 s.
	Budget Duration `json:"budget"`
	Checks []Check  `json:"checks"`
}

// Check is one request and what its answer must be.
type Check struct {
	Name   string `json:"name"`
	Method string `json:"method"` // default GET
	Path   string `json:"path"`   // begins with "/"
	// Headers and Body may hold ${NAME}, which [Suite.Expand] fills in.
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Expect  Expect            `json:"expect"`
	// Assets also fetches every script and style sheet of the HTML that comes back,
	// as far as they are on the same host: each must be there, whole and not empty.
	Assets bool `json:"assets"`
	// FollowRedirects follows up to 5 redirects on the same host; by default a
	// redirect is an answer.
	FollowRedirects bool `json:"followRedirects"`
}

// Expect is what an answer must be; the zero value of a field asks nothing, that
// of Status asks for 200. A header that is absent matches no pattern.
type Expect struct {
	Status       int               `json:"status"`
	ContentType  string            `json:"contentType"`  // its beginning, for example "application/json"
	Headers      map[string]string `json:"headers"`      // regular expressions
	BodyRegex    string            `json:"bodyRegex"`    // must match
	BodyNotRegex string            `json:"bodyNotRegex"` // must not match
	JSON         map[string]any    `json:"json"`         // dotted path -> value
	MaxLatency   Duration          `json:"maxLatency"`   // of the whole answer
}

// Duration is a time.Duration that JSON writes as "1.5s".
type Duration time.Duration

// UnmarshalJSON reads "300ms", "5s", "1m".
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("want a duration such as \"5s\", got %s", text)
	}
	parsed, err := time.ParseDuration(s)
	if err != nil || parsed < 0 {
		return fmt.Errorf("want a duration such as \"5s\", got %q", s)
	}
	*d = Duration(parsed)
	return nil
}

// The defaults of a suite.
const (
	defaultConsecutive = 1
	defaultAttempts    = 5
	defaultInterval    = Duration(time.Second)
	defaultTimeout     = Duration(10 * time.Second)
	defaultBudget      = Duration(time.Minute)
)

func (s Suite) withDefaults() Suite {
	s.Consecutive = cmp.Or(s.Consecutive, defaultConsecutive)
	s.Attempts = cmp.Or(s.Attempts, max(defaultAttempts, s.Consecutive))
	s.Interval = cmp.Or(s.Interval, defaultInterval)
	s.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	s.Budget = cmp.Or(s.Budget, defaultBudget)
	s.Checks = slices.Clone(s.Checks)
	for i := range s.Checks {
		c := &s.Checks[i]
		c.Method = cmp.Or(c.Method, http.MethodGet)
		c.Expect.Status = cmp.Or(c.Expect.Status, http.StatusOK)
	}
	return s
}
