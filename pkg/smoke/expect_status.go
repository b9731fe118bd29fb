package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Status is the status that an answer must have: one of these codes ("204") or of a
// code of these classes ("2xx").
type Status []string

func init() {
	declare("status", func(n *node, key string) Status { return n.list(key, aStatus, status) })
}

var statusForm = regexp.MustCompile(`^([1-5][0-9]{2}|[1-5]xx)$`)

var aStatus = shape{"a status such as 200 or 2xx", schema{"anyOf": []schema{
	{"type": "integer", "minimum": 100, "maximum": 599}, {"type": "string", "pattern": "^[1-5]([0-9]{2}|[xX]{2})$"},
}}}

// status takes 200 and "2xx".
func status(value any) (string, bool) {
	switch value := value.(type) {
	case json.Number:
		return value.String(), true
	case string:
		return strings.ToLower(value), true
	}
	return "", false
}

func (s Status) of() part { return ofStatus }

func (s Status) validate(_ Suite, report reporter) {
	for _, one := range s {
		if !statusForm.MatchString(one) {
			report("status", "%s; allowed are 100 to 599 and classes such as 2xx", one)
		}
	}
}

func (s Status) judge(_ context.Context, a answer) error {
	if s.allow(a.status) {
		return nil
	}
	to, words := "", ""
	if location := a.header.Get("Location"); location != "" {
		to = " to " + location
	}
	if len(a.body) > 0 {
		words = ": " + string(excerpt(a.body))
	}
	return fmt.Errorf("status %d%s, should be %s%s", a.status, to, strings.Join(s, " or "), words)
}

func (s Status) allow(code int) bool {
	text := strconv.Itoa(code)
	return slices.Contains(s, text) || slices.Contains(s, text[:1]+"xx")
}

// wants reports whether a status is expected.
func (e Expect) wants(code int) bool {
	return slices.ContainsFunc(e, func(one Expectation) bool {
		s, isStatus := one.(Status)
		return isStatus && s.allow(code)
	})
}
