package smoke

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	maxChecks   = 100
	maxAttempts = 1000
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// Validate reports all problems of a suite at once, each with the check's name,
// the field and what is allowed.
func (s Suite) Validate() error { return s.withDefaults().validate() }

func (s Suite) validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(s.Checks) == 0 {
		problem("checks: there is none; a suite without checks proves nothing")
	}
	if len(s.Checks) > maxChecks {
		problem("checks: there are %d; allowed are %d", len(s.Checks), maxChecks)
	}
	if s.Attempts > maxAttempts {
		problem("attempts: %d; allowed are %d", s.Attempts, maxAttempts)
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
	} else if _, err := url.ParseRequestURI(c.Path); err != nil || strings.Contains(c.Path, "#") {
		problem("path: %q is not a path with a query", c.Path)
	}
	for name, value := range c.Headers {
		if !headerName.MatchString(name) || strings.ContainsAny(value, "\r\n\x00") {
			problem("headers: %q is not the name of a header with a value of one line", name)
		}
	}
	if c.Assets && c.Method != http.MethodGet {
		problem("assets: the answer to %s names none; allowed is GET", c.Method)
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
	for _, field := range slices.Sorted(maps.Keys(patterns)) {
		if _, err := regexp.Compile(patterns[field]); err != nil {
			problem("expect.%s: %w", field, err)
		}
	}
	return problems
}
