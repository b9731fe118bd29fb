// Package smoke sends HTTP requests that prove something: each check says what
// the answer must look like, not only that there is one. It needs the standard
// library only.
package smoke

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
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
	// Timeout bounds each request; default 10 s.
	Timeout Duration `json:"timeout"`
	Checks  []Check  `json:"checks"`
}

// Check is one request and what its answer must be.
type Check struct {
	Name    string            `json:"name"`
	Method  string            `json:"method"` // default GET
	Path    string            `json:"path"`   // begins with "/"
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Expect  Expect            `json:"expect"`
	// Assets also fetches every script and style sheet of the HTML that comes back.
	Assets bool `json:"assets"`
}

// Expect is what an answer must be; the zero value of a field asks nothing, that
// of Status asks for 200.
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
	defaultInterval    = time.Second
	defaultTimeout     = 10 * time.Second
)

// Parse reads a suite from JSON and reports all its problems at once. Unknown
// keys are errors.
func Parse(document []byte) (Suite, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	var s Suite
	if err := decoder.Decode(&s); err != nil {
		return Suite{}, fmt.Errorf("smoke checks: %w", err)
	}
	s = s.withDefaults()
	return s, s.validate()
}

func (s Suite) withDefaults() Suite {
	if s.Consecutive == 0 {
		s.Consecutive = defaultConsecutive
	}
	if s.Attempts == 0 {
		s.Attempts = max(defaultAttempts, s.Consecutive)
	}
	if s.Interval == 0 {
		s.Interval = Duration(defaultInterval)
	}
	if s.Timeout == 0 {
		s.Timeout = Duration(defaultTimeout)
	}
	s.Checks = slices.Clone(s.Checks)
	for i := range s.Checks {
		if s.Checks[i].Method == "" {
			s.Checks[i].Method = http.MethodGet
		}
		if s.Checks[i].Expect.Status == 0 {
			s.Checks[i].Expect.Status = http.StatusOK
		}
	}
	return s
}

func (s Suite) validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(s.Checks) == 0 {
		problem("checks: there is none; a suite without checks proves nothing")
	}
	if s.Consecutive < 1 || s.Attempts < s.Consecutive {
		problem("attempts is %d, consecutive is %d: both must be at least 1, and attempts not below consecutive", s.Attempts, s.Consecutive)
	}
	names := map[string]bool{}
	for i, c := range s.Checks {
		where := fmt.Sprintf("check %q", c.Name)
		if c.Name == "" {
			where = fmt.Sprintf("check number %d", i+1)
			problem("%s: name: it needs one", where)
		}
		if names[c.Name] {
			problem("%s: name: it is given twice", where)
		}
		names[c.Name] = true
		for _, err := range c.validate() {
			problem("%s: %w", where, err)
		}
	}
	return errors.Join(problems...)
}

// methods are what a check may send: it must not be able to change much.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions}

func (c Check) validate() []error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !strings.HasPrefix(c.Path, "/") {
		problem("path: %q does not begin with \"/\"", c.Path)
	}
	if !slices.Contains(methods, c.Method) {
		problem("method: %q; allowed are %s", c.Method, strings.Join(methods, ", "))
	}
	if c.Expect.Status < 100 || c.Expect.Status > 599 {
		problem("expect.status: %d; allowed are 100 to 599", c.Expect.Status)
	}
	patterns := map[string]string{"bodyRegex": c.Expect.BodyRegex, "bodyNotRegex": c.Expect.BodyNotRegex}
	for name, pattern := range c.Expect.Headers {
		patterns["headers."+name] = pattern
	}
	for field, pattern := range patterns {
		if _, err := regexp.Compile(pattern); err != nil {
			problem("expect.%s: %w", field, err)
		}
	}
	return problems
}
