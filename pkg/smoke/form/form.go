// Package form takes JSON that people write apart and says everything that is wrong
// with it at once: the field, what stands there, what is allowed and what was probably
// meant. What it has asked for is the schema of the file.
package form

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Problem is what is wrong with one field; check is -1 for a field of the suite.
type Problem struct {
	Check int
	Field string
	Text  string
}

// Reporter takes what is wrong with one field.
type Reporter func(field, format string, args ...any)

// place is a field of a check, or a whole check where field is "".
type place struct {
	check int
	field string
}

// Parser takes JSON values apart and collects what is wrong with them.
type Parser struct {
	Problems []Problem
	told     map[place]bool
	Objects  map[string]*Node // the last of each kind: suite, check, expect, browser
}

// New is a parser that has seen nothing.
func New() *Parser { return &Parser{told: map[place]bool{}, Objects: map[string]*Node{}} }

// Add takes what was found elsewhere.
func (p *Parser) Add(found Problem) { p.Problems = append(p.Problems, found) }

// Saw reports whether something is wrong with a field as it is written, or with the whole check.
func (p *Parser) Saw(check int, field string) bool {
	return p.told[place{check, field}] || p.told[place{check, ""}]
}

func (p *Parser) report(check int, field, format string, args ...any) {
	p.Problems = append(p.Problems, Problem{check, field, fmt.Sprintf(format, args...)})
	p.told[place{check, field}] = true
}

// Node is one JSON object; [Take] removes the keys that are known.
type Node struct {
	parser *Parser
	check  int
	prefix string // of its fields, "" or with "." at its end
	values map[string]any
	Fields []Field // the keys that were asked for
}

// Field is a key that is known.
type Field struct {
	Key   string
	Shape Shape
}

// Shape is what a value may be, in words and as a JSON schema.
type Shape struct {
	Want   string
	Schema Schema
}

// Schema is a JSON schema.
type Schema map[string]any

// The shapes of values.
var (
	Anything  = Shape{"", Schema{}}
	Text      = Shape{"a text", Schema{"type": "string"}}
	aFlag     = Shape{"true or false", Schema{"type": "boolean"}}
	aNumber   = Shape{"a whole number above 0", Schema{"type": "integer", "minimum": 1}}
	aDuration = Shape{`a duration such as "5s"`, Schema{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}}
	List      = Shape{"a list", Schema{"type": "array"}}
	anObject  = Shape{"an object", Schema{"type": "object"}}
	someTexts = Shape{"an object of texts", Schema{"type": "object", "additionalProperties": Text.Schema}}
)

// orMany is one value of a shape, or a list of them.
func (s Shape) orMany() Shape {
	return Shape{s.Want + ", or a list of them", Schema{"anyOf": []Schema{s.Schema, {"type": "array", "items": s.Schema, "minItems": 1}}}}
}

// Object is a value with keys, at a field of a check; kind is "suite", "check", "expect"
// or what [Node.Object] is asked for.
func (p *Parser) Object(kind string, check int, field string, value any) *Node {
	values, ok := value.(map[string]any)
	if !ok && value != nil {
		p.report(check, field, "want an object, got %s", Show(value))
	}
	n := &Node{parser: p, check: check, values: maps.Clone(values)}
	p.Objects[kind] = n
	if field != "" {
		n.prefix = field + "."
	}
	return n
}

func (n *Node) known() (keys []string) {
	for _, f := range n.Fields {
		keys = append(keys, f.Key)
	}
	return keys
}

// End reports the keys that were not taken.
func (n *Node) End() {
	known := n.known()
	for _, key := range slices.Sorted(maps.Keys(n.values)) {
		hint := "; known are "
		if meant := nearest(key, known); meant != "" {
			hint = fmt.Sprintf("; did you mean %q? known are ", meant)
			n.parser.told[place{n.check, n.prefix + meant}] = true
		}
		n.parser.Problems = append(n.parser.Problems, Problem{n.check, strings.TrimSuffix(n.prefix, "."),
			"unknown field " + Show(key) + hint + strings.Join(known, ", ")})
	}
}

// Take gives what stands at a key, the zero value where nothing does or where it is
// not of the wanted shape, which is reported.
func Take[T any](n *Node, key string, wanted Shape, convert func(any) (T, bool)) T {
	n.Fields = append(n.Fields, Field{key, wanted})
	value, found := n.values[key]
	delete(n.values, key)
	var zero T
	if !found || value == nil {
		return zero
	}
	got, ok := convert(value)
	if !ok {
		n.parser.report(n.check, n.prefix+key, "want %s, got %s", wanted.Want, Show(value))
		return zero
	}
	return got
}

// As converts a value that has its Go type already.
func As[T any](value any) (T, bool) {
	got, ok := value.(T)
	return got, ok
}

// Text takes a text.
func (n *Node) Text(key string) string { return Take(n, key, Text, As[string]) }

// Flag takes true or false.
func (n *Node) Flag(key string) bool { return Take(n, key, aFlag, As[bool]) }

// Number takes a whole number above 0.
func (n *Node) Number(key string) int {
	return Take(n, key, aNumber, func(value any) (int, bool) {
		number, ok := value.(json.Number)
		whole, err := number.Int64()
		return int(whole), ok && err == nil && whole > 0
	})
}

// Duration takes a text such as "1m30s".
func (n *Node) Duration(key string) time.Duration {
	return Take(n, key, aDuration, func(value any) (time.Duration, bool) {
		text, ok := value.(string)
		d, err := time.ParseDuration(text)
		return d, ok && err == nil && d > 0
	})
}

// List takes one value or a list of them.
func (n *Node) List(key string, each Shape, convert func(any) (string, bool)) []string {
	return Take(n, key, each.orMany(), func(value any) ([]string, bool) {
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

// Object takes an object whose keys are those of a kind; said tells that there is one.
func (n *Node) Object(kind, key string) (inner *Node, said bool) {
	value := Take(n, key, anObject, As[map[string]any])
	if value == nil {
		return n.parser.Object(kind, n.check, n.prefix+key, nil), false
	}
	return n.parser.Object(kind, n.check, n.prefix+key, value), true
}

// Texts takes an object of texts.
func (n *Node) Texts(key string) map[string]string {
	return Take(n, key, someTexts, func(value any) (map[string]string, bool) {
		entries, ok := value.(map[string]any)
		out := map[string]string{}
		for name, entry := range entries {
			text, isText := entry.(string)
			out[name], ok = text, ok && isText
		}
		return out, ok
	})
}
