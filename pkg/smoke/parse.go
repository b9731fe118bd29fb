package smoke

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxSuite bounds the text of a suite.
const maxSuite = 1 << 20

// Parse reads a suite from JSON, with durations as texts such as "1m30s". It
// reports all problems of a kind at once: first unknown keys and wrong types,
// then what [Suite.Validate] finds.
func Parse(text []byte) (Suite, error) {
	if len(text) > maxSuite {
		return Suite{}, fmt.Errorf("smoke checks: they have %d bytes; allowed are %d", len(text), maxSuite)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return Suite{}, fmt.Errorf("smoke checks: %w", err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Suite{}, errors.New("smoke checks: there is more after the first JSON value")
	}
	p := &parser{}
	suite := p.suite(document).withDefaults()
	if len(p.problems) > 0 {
		return Suite{}, errors.Join(p.problems...)
	}
	return suite, suite.validate()
}

// parser takes JSON values apart and collects what is wrong with them.
type parser struct{ problems []error }

func (p *parser) report(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf(format, args...))
}

// node is one JSON object; take removes the keys that are known.
type node struct {
	parser *parser
	label  string // for messages, "" or with ": " at its end
	values map[string]any
	known  []string
}

func (p *parser) object(label string, value any) *node {
	values, ok := value.(map[string]any)
	if !ok && value != nil {
		p.report("%swant an object, got %s", label, show(value))
	}
	return &node{p, label, maps.Clone(values), nil}
}

// end reports the keys that nobody took.
func (n *node) end() {
	for _, key := range slices.Sorted(maps.Keys(n.values)) {
		n.parser.report("%sunknown field %q; known are %s", n.label, key, strings.Join(n.known, ", "))
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
		n.parser.report("%s%s: want %s, got %s", n.label, key, want, show(value))
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
	return take(n, key, "a whole number", func(value any) (int, bool) {
		number, ok := value.(json.Number)
		whole, err := number.Int64()
		return int(whole), ok && err == nil
	})
}

func (n *node) duration(key string) Duration {
	return take(n, key, `a duration such as "5s"`, func(value any) (Duration, bool) {
		text, ok := value.(string)
		d, err := time.ParseDuration(text)
		return Duration(d), ok && err == nil && d >= 0
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

func (p *parser) suite(value any) Suite {
	n := p.object("", value)
	s := Suite{
		Consecutive: n.number("consecutive"), Attempts: n.number("attempts"),
		Interval: n.duration("interval"), Timeout: n.duration("timeout"), Budget: n.duration("budget"),
	}
	for i, check := range take(n, "checks", "a list", as[[]any]) {
		s.Checks = append(s.Checks, p.check(i, check))
	}
	n.end()
	return s
}

func (p *parser) check(i int, value any) Check {
	n := p.object(fmt.Sprintf("check number %d: ", i+1), value)
	c := Check{Name: n.text("name")}
	if c.Name != "" {
		n.label = fmt.Sprintf("check %q: ", c.Name)
	}
	c.Method, c.Path, c.Body = n.text("method"), n.text("path"), n.text("body")
	c.Headers = n.texts("headers")
	c.Assets, c.FollowRedirects = n.flag("assets"), n.flag("followRedirects")
	c.Expect = p.expect(n.label+"expect.", n.any("expect"))
	n.end()
	return c
}

func (p *parser) expect(label string, value any) Expect {
	n := p.object(label, value)
	e := Expect{
		Status: n.number("status"), ContentType: n.text("contentType"),
		BodyRegex: n.text("bodyRegex"), BodyNotRegex: n.text("bodyNotRegex"),
		JSON: take(n, "json", "an object of dotted paths", as[map[string]any]), Headers: n.texts("headers"),
		MaxLatency: n.duration("maxLatency"),
	}
	n.end()
	return e
}

// show gives a JSON value for a message.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "something that is no JSON"
	}
	return quote(string(text), 60)
}
