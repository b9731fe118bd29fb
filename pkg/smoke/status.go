package smoke

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Statuses are the status codes that an answer may have: codes such as "204" and
// classes such as "2xx".
type Statuses []string

var statusForm = regexp.MustCompile(`^([1-5][0-9]{2}|[1-5]xx)$`)

func (s Statuses) allow(code int) bool {
	text := strconv.Itoa(code)
	return slices.Contains(s, text) || slices.Contains(s, text[:1]+"xx")
}

func (s Statuses) String() string { return strings.Join(s, " or ") }
