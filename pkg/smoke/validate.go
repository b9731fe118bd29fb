package smoke

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxChecks   = 100
	maxAttempts = 1000
	maxName     = 100
	maxBudget   = time.Hour
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// problem is what is wrong with one field; check is -1 for a field of the suite.
type problem struct {
	check int
	field string
	text  string
}

// Validate reports all problems of a suite at once, each with the check's name,
// the field, its value and what is allowed.
func (s Suite) Validate() error {
	s = s.withDefaults()
	return s.join(s.problems())
}

// join makes one error of problems, in the order of the suite.
func (s Suite) join(problems []problem) error {
	slices.SortStableFunc(problems, func(a, b problem) int { return a.check - b.check })
	var all []error
	for _, p := range problems {
		where := ""
		if p.check >= 0 {
			where = fmt.Sprintf("check number %d: ", p.check+1)
			if p.check < len(s.Checks) && s.Checks[p.check].Name != "" {
				where = fmt.Sprintf("check %q: ", s.Checks[p.check].Name)
			}
		}
		if p.field != "" {
			where += p.field + ": "
		}
		all = append(all, errors.New(where+p.text))
	}
	return errors.Join(all...)
}

// problems looks at a suite with its defaults.
func (s Suite) problems() []problem {
	found := s.patience()
	suite := func(field, format string, args ...any) {
		found = append(found, problem{-1, field, fmt.Sprintf(format, args...)})
	}
	if len(s.Checks) == 0 {
		suite("checks", "there is none; a suite without checks proves nothing")
	}
	if len(s.Checks) > maxChecks {
		suite("checks", "there are %d; allowed are %d", len(s.Checks), maxChecks)
		return found
	}
	names := map[string]bool{}
	for i, c := range s.Checks {
		report := func(field, format string, args ...any) {
			found = append(found, problem{i, field, fmt.Sprintf(format, args...)})
		}
		if c.Name != "" && names[c.Name] {
			report("name", "it is given twice")
		}
		names[c.Name] = true
		c.request(report)
		c.checkVariables(report)
		c.Expect.validate(s, c.Method, report)
	}
	return found
}

// patience looks at how often and how long a suite asks.
func (s Suite) patience() (found []problem) {
	report := func(field, format string, args ...any) {
		found = append(found, problem{-1, field, fmt.Sprintf(format, args...)})
	}
	if s.Consecutive < 1 {
		report("consecutive", "%d; allowed is 1 or more", s.Consecutive)
	}
	if s.Attempts < s.Consecutive || s.Attempts > maxAttempts {
		report("attempts", "%d; allowed are consecutive, which is %d, to %d", s.Attempts, s.Consecutive, maxAttempts)
	}
	if s.Budget < 0 || s.Budget > maxBudget {
		report("budget", "%s; allowed is up to %s", s.Budget, maxBudget)
	}
	if s.Timeout < 0 || s.Timeout > s.Budget {
		report("timeout", "%s; allowed is up to the budget, %s", s.Timeout, s.Budget)
	}
	if s.Interval < 0 || s.Interval >= s.Budget {
		report("interval", "%s; allowed is less than the budget, %s", s.Interval, s.Budget)
	} else if row := time.Duration(min(s.Consecutive, maxAttempts)-1) * s.Interval; row >= s.Budget {
		report("consecutive", "%d; with an interval of %s they take %s, which is not within the budget, %s", s.Consecutive, s.Interval, row, s.Budget)
	}
	return found
}

// methods are what a check may send: it must not be able to change much.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions}

// framing are headers that HTTP itself decides.
var framing = []string{"Connection", "Content-Length", "Trailer", "Transfer-Encoding", "Upgrade"}

type reporter func(field, format string, args ...any)

// request looks at what a check sends.
func (c Check) request(report reporter) {
	switch {
	case c.Name == "":
		report("name", "it needs one")
	case utf8.RuneCountInString(c.Name) > maxName || strings.ContainsFunc(c.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		report("name", "allowed are up to %d characters that can be printed", maxName)
	}
	if !strings.HasPrefix(c.Path, "/") {
		report("path", "%q does not begin with \"/\"", c.Path)
	} else if _, err := url.ParseRequestURI(c.Path); err != nil || strings.Contains(c.Path, "#") {
		report("path", "%q is not a path with a query", c.Path)
	}
	if !slices.Contains(methods, c.Method) {
		report("method", "%q; allowed are %s", c.Method, strings.Join(methods, ", "))
	}
	if c.Assets && c.Method != http.MethodGet {
		report("assets", "the answer to %s names none; allowed is GET", c.Method)
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !headerName.MatchString(name) || strings.ContainsAny(c.Headers[name], "\r\n\x00"):
			report("headers", "%q is not the name of a header with a value of one line", name)
		case slices.Contains(framing, canonical):
			report("headers", "%q is not for a check to set", name)
		case seen[canonical]:
			report("headers", "%q is given twice", canonical)
		}
		seen[canonical] = true
	}
}
