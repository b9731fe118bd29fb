package expect

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

// Status is the status that an answer must have: one of these codes ("204") or of a
// code of these classes ("2xx").
type Status []string

func init() {
	declare("status", func(n *form.Node, key string) Status { return n.List(key, aStatus, status) })
}

var statusForm = regexp.MustCompile(`^([1-5][0-9]{2}|[1-5]xx)$`)

var aStatus = form.Shape{Want: "a status such as 200 or 2xx", Schema: form.Schema{"anyOf": []form.Schema{
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

func (s Status) validate(_ time.Duration, report form.Reporter) {
	for _, one := range s {
		if !statusForm.MatchString(one) {
			report("status", "%s; allowed are 100 to 599 and classes such as 2xx", one)
		}
	}
}

func (s Status) judge(_ context.Context, a Answer) error {
	if s.allow(a.Status) {
		return nil
	}
	to, words := "", ""
	if location := a.Header.Get("Location"); location != "" {
		to = " to " + location
	}
	if len(a.Body) > 0 {
		words = ": " + string(excerpt(a.Body))
	}
	return fmt.Errorf("status %d%s, should be %s%s", a.Status, to, strings.Join(s, " or "), words)
}

func (s Status) allow(code int) bool {
	text := strconv.Itoa(code)
	return slices.Contains(s, text) || slices.Contains(s, text[:1]+"xx")
}

// Wants reports whether a status is expected.
func (e All) Wants(code int) bool {
	return slices.ContainsFunc(e, func(one Expectation) bool {
		s, isStatus := one.(Status)
		return isStatus && s.allow(code)
	})
}
