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
	p := newParser()
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
	objects  map[string]*node // the last of each kind: suite, check, expect
}

func newParser() *parser { return &parser{told: map[place]bool{}, objects: map[string]*node{}} }

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
	fields []field
}

// field is a key that is known.
type field struct {
	key   string
	shape shape
}

// shape is what a value may be, in words and as a JSON schema.
type shape struct {
	want   string
	schema schema
}

// schema is a JSON schema.
type schema map[string]any

// The shapes of values.
var (
	anything  = shape{"", schema{}}
	aText     = shape{"a text", schema{"type": "string"}}
	aMethod   = shape{aText.want, schema{"enum": methods}}
	aFlag     = shape{"true or false", schema{"type": "boolean"}}
	aNumber   = shape{"a whole number above 0", schema{"type": "integer", "minimum": 1}}
	aDuration = shape{`a duration such as "5s"`, schema{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}}
	aList     = shape{"a list", schema{"type": "array"}}
	someTexts = shape{"an object of texts", schema{"type": "object", "additionalProperties": aText.schema}}
)

// orMany is one value of a shape, or a list of them.
func (s shape) orMany() shape {
	return shape{s.want + ", or a list of them", schema{"anyOf": []schema{s.schema, {"type": "array", "items": s.schema, "minItems": 1}}}}
}

func (p *parser) object(kind string, check int, field string, value any) *node {
	values, ok := value.(map[string]any)
	if !ok && value != nil {
		p.report(check, field, "want an object, got %s", show(value))
	}
	n := &node{parser: p, check: check, values: maps.Clone(values)}
	p.objects[kind] = n
	if field != "" {
		n.prefix = field + "."
	}
	return n
}

func (n *node) known() (keys []string) {
	for _, f := range n.fields {
		keys = append(keys, f.key)
	}
	return keys
}

// end reports the keys that nobody took.
func (n *node) end() {
	known := n.known()
	for _, key := range slices.Sorted(maps.Keys(n.values)) {
		hint := "; known are "
		if meant := nearest(key, known); meant != "" {
			hint = fmt.Sprintf("; did you mean %q? known are ", meant)
			n.parser.told[place{n.check, n.prefix + meant}] = true
		}
		n.parser.problems = append(n.parser.problems, problem{n.check, strings.TrimSuffix(n.prefix, "."),
			"unknown field " + show(key) + hint + strings.Join(known, ", ")})
	}
}

func take[T any](n *node, key string, wanted shape, convert func(any) (T, bool)) T {
	n.fields = append(n.fields, field{key, wanted})
	value, found := n.values[key]
	delete(n.values, key)
	var zero T
	if !found || value == nil {
		return zero
	}
	got, ok := convert(value)
	if !ok {
		n.parser.report(n.check, n.prefix+key, "want %s, got %s", wanted.want, show(value))
		return zero
	}
	return got
}

func as[T any](value any) (T, bool) {
	got, ok := value.(T)
	return got, ok
}

func (n *node) text(key string) string { return take(n, key, aText, as[string]) }
func (n *node) flag(key string) bool   { return take(n, key, aFlag, as[bool]) }

func (n *node) number(key string) int {
	return take(n, key, aNumber, func(value any) (int, bool) {
		number, ok := value.(json.Number)
		whole, err := number.Int64()
		return int(whole), ok && err == nil && whole > 0
	})
}

func (n *node) duration(key string) time.Duration {
	return take(n, key, aDuration, func(value any) (time.Duration, bool) {
		text, ok := value.(string)
		d, err := time.ParseDuration(text)
		return d, ok && err == nil && d > 0
	})
}

// list takes one value or a list of them.
func (n *node) list(key string, each shape, convert func(any) (string, bool)) []string {
	return take(n, key, each.orMany(), func(value any) ([]string, bool) {
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
	return take(n, key, someTexts, func(value any) (map[string]string, bool) {
		entries, ok := value.(map[string]any)
		out := map[string]string{}
		for name, entry := range entries {
			text, isText := entry.(string)
			out[name], ok = text, ok && isText
		}
		return out, ok
	})
}
