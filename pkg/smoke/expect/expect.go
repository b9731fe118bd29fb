// Package expect is the language of what an answer must be: one file for each key of
// `expect` in a file of checks, with how its value is read, what is allowed, and how an
// answer is judged. It sends nothing and reads no clock.
package expect

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

// All is what an answer must be: all of it must hold. Without a [Status] it asks for
// status 200.
type All []Expectation

// Expectation is one thing that an answer must be. Each has a Go file of its own, which declares the key of `expect` in a file of checks and says how its
// value is read, what is allowed and what an answer must be.
type Expectation interface {
	// of is what it looks at.
	of() part
	// validate reports what is wrong with the expectation itself, where an answer has
	// as long as timeout.
	validate(timeout time.Duration, report form.Reporter)
	// judge says what is not as expected. Its texts are quoted and redacted when they
	// become a result's detail, and not before.
	judge(ctx context.Context, a Answer) error
}

// part is what of an answer an expectation looks at; they are judged in this order.
type part int

const (
	ofStatus part = iota
	ofHeader
	ofBody
	ofTime
	ofPage
)

// declaration is a key of `expect`.
type declaration struct {
	key string
	of  part
	// read gives what a file says, false when it says nothing.
	read func(n *form.Node, key string) (Expectation, bool)
}

var declarations []declaration

// declare makes a key of `expect` known; read gives the zero value when a file says
// nothing.
func declare[E Expectation](key string, read func(n *form.Node, key string) E) {
	var zero E
	declarations = append(declarations, declaration{key, zero.of(), func(n *form.Node, key string) (Expectation, bool) {
		e := read(n, key)
		v := reflect.ValueOf(e)
		return e, !v.IsZero() && (v.Kind() != reflect.Map || v.Len() > 0)
	}})
	slices.SortStableFunc(declarations, func(a, b declaration) int { return int(a.of) - int(b.of) })
}

// Read takes an object of expectations apart.
func Read(p *form.Parser, i int, value any) (e All) {
	n := p.Object("expect", i, "expect", value)
	for _, d := range declarations {
		if one, said := d.read(n, d.key); said {
			e = append(e, one)
		}
	}
	n.End()
	return e
}

// WithDefaults asks for a status, and orders the expectations as they are judged.
func (e All) WithDefaults() All {
	e = slices.Clone(e)
	if !slices.ContainsFunc(e, func(one Expectation) bool { return one.of() == ofStatus }) {
		e = append(e, Status{"200"})
	}
	slices.SortStableFunc(e, func(a, b Expectation) int { return int(a.of()) - int(b.of()) })
	return e
}

// Validate looks at what an answer to a method must be, which has as long as timeout.
func (e All) Validate(timeout time.Duration, method string, report form.Reporter) {
	for _, one := range e {
		one.validate(timeout, func(field, format string, args ...any) { report("expect."+field, format, args...) })
	}
	if method == http.MethodHead && slices.ContainsFunc(e, func(one Expectation) bool { return one.of() == ofBody }) {
		report("expect", "the answer to HEAD has no body to look at")
	}
	if e.Browser() != nil && method != http.MethodGet {
		report("expect.browser", "a browser opens pages with GET, and the method is %s", method)
	}
}

// Judge gives an error that says what is not as expected. What ctx cut short is no
// judgement: its error comes back.
func (e All) Judge(ctx context.Context, a Answer) error {
	err := e.judged(ctx, a)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (e All) judged(ctx context.Context, a Answer) error {
	for _, one := range e {
		if a.Broken != nil && one.of() != ofStatus {
			break
		}
		if err := one.judge(ctx, a); err != nil {
			return err
		}
	}
	return a.Broken
}

// validPattern reports a regular expression that is none.
func validPattern(field, pattern string, report form.Reporter) {
	if _, err := regexp.Compile(pattern); err != nil {
		report(field, "%v", err)
	}
}

// matches reports whether a pattern matches; one that Validate would refuse never does.
// A long pattern and a long body take minutes together: the text ends with ctx.
func matches(ctx context.Context, pattern string, text []byte) bool {
	compiled, err := regexp.Compile(pattern)
	return err == nil && compiled.MatchReader(runesUntilDone{ctx, bytes.NewReader(text)})
}

// runesUntilDone is a text that ends with ctx.
type runesUntilDone struct {
	ctx context.Context //nolint:containedctx // a reader passes none
	*bytes.Reader
}

// ReadRune gives the next rune.
func (r runesUntilDone) ReadRune() (rune, int, error) {
	if r.ctx.Err() != nil {
		return 0, 0, io.EOF
	}
	return r.Reader.ReadRune()
}

// excerpt is more of a body than a message can show.
func excerpt(body []byte) []byte { return body[:min(len(body), 16<<10)] }
