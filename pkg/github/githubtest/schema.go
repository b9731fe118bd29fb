package githubtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// schema is what GitHub's description says of the fields of a request.
type schema map[string]field

type field struct {
	kind     string // string, boolean, strings, object (or a string)
	required bool
	nullable bool
	max      int      // characters
	enum     []string // all that it may be
	format   func(string) bool
	// said is GitHub's message where it is not the plain one.
	said string
}

// isURL reports whether GitHub takes a text as the address of a deployment.
func isURL(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// read reads the body and answers itself when it is not as described. A field that is
// not in the description is a mistake of this program, although GitHub ignores most.
func (c *call) read(resource string, s schema) (body map[string]any, ok bool) {
	if c.r.Header.Get("Content-Type") != "application/json" {
		c.s.t.Errorf("%s %s: the content type is %q", c.r.Method, c.r.URL, c.r.Header.Get("Content-Type"))
	}
	content, err := io.ReadAll(c.r.Body)
	if err != nil || json.Unmarshal(content, &body) != nil {
		refuse(c.w, http.StatusBadRequest, "Problems parsing JSON", nil)
		return nil, false
	}
	for name := range body {
		if _, described := s[name]; !described {
			c.s.t.Errorf("%s %s: GitHub's description has no field %q", c.r.Method, c.r.URL, name)
		}
	}
	var problems []any
	for name, f := range s {
		if problem := f.check(resource, name, body); problem != nil {
			problems = append(problems, problem)
		}
	}
	if len(problems) > 0 {
		refuse(c.w, http.StatusUnprocessableEntity, "Validation Failed", nil, problems...)
		return nil, false
	}
	return body, true
}

// check gives the error that GitHub lists for a field, nil for none.
func (f field) check(resource, name string, body map[string]any) any {
	value, given := body[name]
	is := func(code, message string) any {
		problem := map[string]any{"resource": resource, "field": name, "code": code}
		if message != "" {
			problem["message"] = message
		}
		return problem
	}
	switch {
	case !given && f.required:
		return is("missing_field", "")
	case !given || value == nil && f.nullable:
		return nil
	case !f.fits(value):
		return is("invalid", fmt.Sprintf("%s wasn't of the type that is described, %s", name, f.kind))
	}
	s, isText := value.(string)
	switch {
	case !isText:
		return nil
	case f.max > 0 && utf8.RuneCountInString(s) > f.max:
		return is("custom", fmt.Sprintf("%s is too long (maximum is %d characters)", name, f.max))
	case len(f.enum) > 0 && !slices.Contains(f.enum, s):
		return is("custom", fmt.Sprintf("%s must be one of %s", name, strings.Join(f.enum, ", ")))
	case f.format != nil && !f.format(s):
		return is("custom", f.said)
	}
	return nil
}

func (f field) fits(value any) bool {
	switch v := value.(type) {
	case string:
		return f.kind == "string" || f.kind == "object"
	case bool:
		return f.kind == "boolean"
	case []any:
		return f.kind == "strings" && !slices.ContainsFunc(v, func(one any) bool { _, text := one.(string); return !text })
	case map[string]any:
		return f.kind == "object"
	}
	return false
}
