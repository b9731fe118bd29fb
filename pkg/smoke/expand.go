package smoke

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var placeholder = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// placeholders lists the names of a check's ${NAME}, sorted.
func (c Check) placeholders() []string {
	var names []string
	for _, text := range append(slices.Collect(maps.Values(c.Headers)), c.Body) {
		for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
			names = append(names, match[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Expand fills in each ${NAME} of headers and bodies with what lookup gives, so
// that a file of checks needs no credentials inside. All names without a value
// are reported at once; the values are in no message.
func (s Suite) Expand(lookup func(name string) (string, bool)) (Suite, error) {
	var problems []error
	s.Checks = slices.Clone(s.Checks)
	for i := range s.Checks {
		c := &s.Checks[i]
		for _, name := range c.placeholders() {
			value, _ := lookup(name)
			if value == "" || strings.ContainsAny(value, "\r\n\x00") {
				problems = append(problems, fmt.Errorf("check %q: ${%s}: want a value of one line in the environment", c.Name, name))
			}
		}
		fill := func(text string) string {
			return placeholder.ReplaceAllStringFunc(text, func(found string) string {
				value, _ := lookup(found[2 : len(found)-1])
				return value
			})
		}
		c.Body, c.Headers = fill(c.Body), maps.Clone(c.Headers)
		for name, value := range c.Headers {
			c.Headers[name] = fill(value)
		}
	}
	return s, errors.Join(problems...)
}
