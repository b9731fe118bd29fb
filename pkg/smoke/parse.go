package smoke

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxSuite bounds the text of a suite.
const maxSuite = 1 << 20

// Parse reads a suite from JSON, with durations as texts such as "1m30s". It
// reports everything that is wrong at once: unknown keys, wrong types, and what
// [Suite.Validate] finds.
func Parse(text []byte) (Suite, error) {
	if len(text) > maxSuite {
		return Suite{}, fmt.Errorf("smoke checks: they have %d bytes; allowed are %d", len(text), maxSuite)
	}
	document, err := decode(text)
	if err != nil {
		return Suite{}, fmt.Errorf("smoke checks: %w", err)
	}
	p := &parser{told: map[place]bool{}}
	suite := p.suite(document).withDefaults()
	for _, found := range suite.problems() {
		// A field that could not be read has no value to judge.
		if !p.told[place{found.check, found.field}] && !p.told[place{found.check, ""}] {
			p.problems = append(p.problems, found)
		}
	}
	if len(p.problems) > 0 {
		return Suite{}, suite.join(p.problems)
	}
	return suite, nil
}

// place is a field of a check, or a whole check where field is "".
type place struct {
	check int
	field string
}

// parser takes JSON values apart and collects what is wrong with them.
type parser struct {
	problems []problem
	told     map[place]bool
}

func (p *parser) report(check int, field, format string, args ...any) {
	p.problems = append(p.problems, problem{check, field, fmt.Sprintf(format, args...)})
	p.told[place{check, field}] = true
}

// node is one JSON object; take removes the keys that are known.
type node struct {
	parser *parser
	check  int
	prefix string // of its fields, "" or with "." at its end
	values map[string]any
	known  []string
}

func (p *parser) object(check int, field string, value any) *node {
	values, ok := value.(map[string]any)
	if !ok && value != nil {
		p.report(check, field, "want an object, got %s", show(value))
	}
	n := &node{parser: p, check: check, values: maps.Clone(values)}
	if field != "" {
		n.prefix = field + "."
	}
	return n
}

// end reports the keys that nobody took.
func (n *node) end() {
	for _, key := range slices.Sorted(maps.Keys(n.values)) {
		hint := "; known are "
		if meant := nearest(key, n.known); meant != "" {
			hint = fmt.Sprintf("; did you mean %q? known are ", meant)
			n.parser.told[place{n.check, n.prefix + meant}] = true
		}
		n.parser.problems = append(n.parser.problems, problem{n.check, strings.TrimSuffix(n.prefix, "."),
			"unknown field " + show(key) + hint + strings.Join(n.known, ", ")})
	}
}

func take[T any](n *node, key, want string, convert func(any) (T, bool)) T {
	n.known = append(n.known, key)
	value, found := n.values[key]
	delete(n.values, key)
	var zero T
	if !found || value == nil {
		return zero
	}
	got, ok := convert(value)
	if !ok {
		n.parser.report(n.check, n.prefix+key, "want %s, got %s", want, show(value))
		return zero
	}
	return got
}

func as[T any](value any) (T, bool) {
	got, ok := value.(T)
	return got, ok
}

func (n *node) text(key string) string { return take(n, key, "a text", as[string]) }
func (n *node) flag(key string) bool   { return take(n, key, "true or false", as[bool]) }
func (n *node) any(key string) any     { return take(n, key, "", as[any]) }

func (n *node) number(key string) int {
	return take(n, key, "a whole number above 0", func(value any) (int, bool) {
		number, ok := value.(json.Number)
		whole, err := number.Int64()
		return int(whole), ok && err == nil && whole > 0
	})
}

func (n *node) duration(key string) time.Duration {
	return take(n, key, `a duration such as "5s"`, func(value any) (time.Duration, bool) {
		text, ok := value.(string)
		d, err := time.ParseDuration(text)
		return d, ok && err == nil && d > 0
	})
}

// list takes one value or a list of them.
func (n *node) list(key, want string, convert func(any) (string, bool)) []string {
	return take(n, key, want+", or a list of them", func(value any) ([]string, bool) {
		entries, many := value.([]any)
		if !many {
			entries = []any{value}
		}
		var out []string
		for _, entry := range entries {
			text, ok := convert(entry)
			if !ok {
				return nil, false
			}
			out = append(out, text)
		}
		return out, len(out) > 0
	})
}

func (n *node) texts(key string) map[string]string {
	return take(n, key, "an object of texts", func(value any) (map[string]string, bool) {
		entries, ok := value.(map[string]any)
		out := map[string]string{}
		for name, entry := range entries {
			text, isText := entry.(string)
			out[name], ok = text, ok && isText
		}
		return out, ok
	})
}
