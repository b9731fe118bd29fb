package checks

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

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

const (
	maxChecks   = 100
	maxAttempts = 1000
	maxName     = 100
	maxBudget   = time.Hour
)

var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// Validate reports all problems of a suite at once, each with the check's name,
// the field, its value and what is allowed.
func (s Suite) Validate() error {
	s = s.WithDefaults()
	return s.join(s.problems())
}

// join makes one error of problems, in the order of the suite.
func (s Suite) join(problems []form.Problem) error {
	slices.SortStableFunc(problems, func(a, b form.Problem) int { return a.Check - b.Check })
	var all []error
	for _, p := range problems {
		where := ""
		if p.Check >= 0 {
			where = fmt.Sprintf("check number %d: ", p.Check+1)
			if p.Check < len(s.Checks) && s.Checks[p.Check].Name != "" {
				where = fmt.Sprintf("check %q: ", s.Checks[p.Check].Name)
			}
		}
		if p.Field != "" {
			where += p.Field + ": "
		}
		all = append(all, errors.New(where+p.Text))
	}
	return record.Problems(all...)
}

// problems looks at a suite with its defaults.
func (s Suite) problems() []form.Problem {
	found := s.patience()
	suite := func(field, format string, args ...any) {
		found = append(found, form.Problem{Check: -1, Field: field, Text: fmt.Sprintf(format, args...)})
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
			found = append(found, form.Problem{Check: i, Field: field, Text: fmt.Sprintf(format, args...)})
		}
		if c.Name != "" && names[c.Name] {
			report("name", "it is given twice")
		}
		names[c.Name] = true
		c.request(report)
		c.checkVariables(report)
		c.All.Validate(s.Timeout, c.Method, report)
		if b := c.All.Browser(); b != nil && c.All.Patience() > s.Budget {
			report("expect.browser.within", "%s; allowed is up to half the budget, %s", b.WithDefaults().Within, s.Budget/2)
		}
	}
	return found
}

// patience looks at how often and how long a suite asks.
func (s Suite) patience() (found []form.Problem) {
	report := func(field, format string, args ...any) {
		found = append(found, form.Problem{Check: -1, Field: field, Text: fmt.Sprintf(format, args...)})
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

// aMethod is the shape of one of them.
var aMethod = form.Shape{Want: form.Text.Want, Schema: form.Schema{"enum": methods}}

// framing are headers that HTTP itself decides.
var framing = []string{"Connection", "Content-Length", "Trailer", "Transfer-Encoding", "Upgrade"}

// request looks at what a check sends.
func (c Check) request(report form.Reporter) {
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
