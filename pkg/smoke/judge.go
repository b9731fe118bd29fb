package smoke

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"
	"time"
)

// judge gives an error that says what is not as expected. Its texts are quoted and
// redacted when they become a result's detail, and not before. What ctx cut short is
// no judgement: its error comes back.
func (e Expect) judge(ctx context.Context, a answer) error {
	err := e.judged(ctx, a)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (e Expect) judged(ctx context.Context, a answer) error {
	if !e.Status.allow(a.status) {
		return e.wrongStatus(a)
	}
	if a.broken != nil {
		return a.broken
	}
	if got := a.header.Get("Content-Type"); !e.allowsType(got) {
		return fmt.Errorf("content type \"%s\", should be \"%s\"", got, e.ContentType)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		if err := judgeHeader(ctx, name, e.Headers[name], a.header.Values(name)); err != nil {
			return err
		}
	}
	for _, pattern := range e.BodyRegex {
		if !matches(ctx, pattern, a.body) {
			return fmt.Errorf("the body does not match \"%s\": %s", pattern, excerpt(a.body))
		}
	}
	for _, pattern := range e.BodyNotRegex {
		if matches(ctx, pattern, a.body) {
			return fmt.Errorf("the body matches \"%s\", which it must not: %s", pattern, excerpt(a.body))
		}
	}
	if len(e.JSON) > 0 {
		if a.over {
			return fmt.Errorf("the body is longer than %d bytes, which is what is read of it: %s", maxBody, excerpt(a.body))
		}
		if err := e.judgeJSON(a.body); err != nil {
			return err
		}
	}
	if e.MaxLatency > 0 && a.latency > e.MaxLatency {
		return fmt.Errorf("the answer took %s, should take at most %s", a.latency.Round(time.Millisecond), e.MaxLatency)
	}
	return nil
}

func (e Expect) wrongStatus(a answer) error {
	to, words := "", ""
	if location := a.header.Get("Location"); location != "" {
		to = " to " + location
	}
	if len(a.body) > 0 {
		words = ": " + string(excerpt(a.body))
	}
	return fmt.Errorf("status %d%s, should be %s%s", a.status, to, e.Status, words)
}

// allowsType compares media types: names without regard to case, and parameters
// as far as they are expected.
func (e Expect) allowsType(got string) bool {
	if e.ContentType == "" {
		return true
	}
	want, parameters, err := mime.ParseMediaType(e.ContentType)
	if err != nil {
		return false
	}
	kind, found, err := mime.ParseMediaType(got)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || kind != want {
		return false
	}
	for name, value := range parameters {
		if !strings.EqualFold(found[name], value) {
			return false
		}
	}
	return true
}

// judgeHeader wants one of a header's values to match.
func judgeHeader(ctx context.Context, name, pattern string, values []string) error {
	if len(values) == 0 {
		return fmt.Errorf("there is no header %s, should match \"%s\"", name, pattern)
	}
	if slices.ContainsFunc(values, func(value string) bool { return matches(ctx, pattern, []byte(value)) }) {
		return nil
	}
	got := `"` + strings.Join(values, `", "`) + `"`
	if sensitive.MatchString(name) {
		got = hidden
	}
	return fmt.Errorf("header %s is %s, should match \"%s\"", name, got, pattern)
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
