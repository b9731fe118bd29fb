package checks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Expand fills in each ${NAME} of headers, bodies and lists with what lookup
// gives, so that a file of checks needs no credentials inside, and makes the
// checks of each list. A check that is optional is left out when a name of it has
// no value; [Run] says so once. All other names without a value are reported at
// once; the values are in no message.
func (s Suite) Expand(lookup func(name string) (string, bool)) (Suite, error) {
	var problems []error
	out := s
	out.Checks, out.skipped = nil, &skipped{}
	for _, c := range s.Checks {
		missing, bad := c.look(lookup)
		switch {
		case len(bad) > 0:
			problems = append(problems, fmt.Errorf("check %q: %s: want a value of one line in the environment", c.Name, strings.Join(bad, ", ")))
		case len(missing) > 0 && !c.Optional:
			problems = append(problems, fmt.Errorf("check %q: %s: want a value of one line in the environment", c.Name, strings.Join(missing, ", ")))
		case len(missing) > 0:
			out.skipped.add(c.Name, missing)
		default:
			checks, err := c.expand(lookup)
			out.Checks = append(out.Checks, checks...)
			problems = append(problems, err)
		}
	}
	if err := record.Problems(problems...); err != nil {
		return Suite{}, err
	}
	return out, out.Validate()
}

// look finds the placeholders without a value and those with an unusable one.
func (c Check) look(lookup func(string) (string, bool)) (missing, bad []string) {
	for _, v := range variables(c.filled()...) {
		if v.name == each {
			continue
		}
		value, _ := lookup(v.name)
		switch {
		case strings.ContainsAny(value, "\r\n\x00"):
			bad = append(bad, v.text)
		case value == "" && !v.hasDefault:
			missing = append(missing, v.text)
		}
	}
	return missing, bad
}

// expand makes the checks of one that has everything it needs.
func (c Check) expand(lookup func(string) (string, bool)) ([]Check, error) {
	fill := func(text, word string) string {
		return placeholder.ReplaceAllStringFunc(text, func(found string) string {
			v := variables(found)[0]
			if v.name == each {
				return word
			}
			if value, _ := lookup(v.name); value != "" {
				return value
			}
			return v.value
		})
	}
	words := []string{""}
	if len(c.Each) > 0 {
		words = nil
		for _, text := range c.Each {
			words = append(words, strings.FieldsFunc(fill(text, ""), func(r rune) bool { return r == ',' || r == ' ' })...)
		}
		if len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return !eachWord.MatchString(w) }) {
			return nil, fmt.Errorf("check %q: each: %s: want words of letters, digits, \"_\", \".\", \"~\" and \"-\" with commas between them", c.Name, strings.Join(c.Each, ", "))
		}
	}
	var made []Check
	for _, word := range words {
		one := c
		one.Each, one.expanded = nil, true
		one.Name, one.Path, one.Body = fill(c.Name, word), fill(c.Path, word), fill(c.Body, word)
		one.Headers = maps.Clone(c.Headers)
		for name, value := range one.Headers {
			one.Headers[name] = fill(value, word)
		}
		one.secrets = c.values(lookup)
		if !slices.ContainsFunc(made, func(other Check) bool { return other.Name == one.Name }) {
			made = append(made, one)
		}
	}
	return made, nil
}

// values are what the environment puts into a check, apart from its list.
func (c Check) values(lookup func(string) (string, bool)) (values []string) {
	c.Each = nil
	for _, v := range variables(c.filled()...) {
		if value, _ := lookup(v.name); value != "" && v.name != each {
			values = append(values, value)
		}
	}
	return values
}

// skipped are the checks that were left out; it is said once, however often the suite runs.
type skipped struct {
	once  sync.Once
	lines []string
}

func (s *skipped) add(name string, missing []string) {
	s.lines = append(s.lines, fmt.Sprintf("smoke check %q is SKIPPED: %s has no value", name, strings.Join(missing, ", ")))
}

// Skipped gives a line for each check that [Suite.Expand] left out to tell, the first
// time that it is asked.
func (s Suite) Skipped(tell func(line string)) {
	if s.skipped == nil {
		return
	}
	s.skipped.once.Do(func() {
		for _, line := range s.skipped.lines {
			tell(line)
		}
	})
}
