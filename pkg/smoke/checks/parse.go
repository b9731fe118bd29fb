package checks

import (
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
	"github.com/stagecrew/stagecrew/pkg/smoke/form"
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
	document, err := form.Decode(text)
	if err != nil {
		return Suite{}, fmt.Errorf("smoke checks: %w", err)
	}
	p := form.New()
	suite := readSuite(p, document).WithDefaults()
	for _, found := range suite.problems() {
		// A field that could not be read has no value to judge.
		if !p.Saw(found.Check, found.Field) {
			p.Add(found)
		}
	}
	if len(p.Problems) > 0 {
		return Suite{}, suite.join(p.Problems)
	}
	return suite, nil
}

// readSuite takes the object of a file apart.
func readSuite(p *form.Parser, value any) Suite {
	n := p.Object("suite", -1, "", value)
	s := Suite{
		Consecutive: n.Number("consecutive"), Attempts: n.Number("attempts"),
		Interval: n.Duration("interval"), Timeout: n.Duration("timeout"), Budget: n.Duration("budget"),
	}
	for i, check := range form.Take(n, "checks", form.List, form.As[[]any]) {
		s.Checks = append(s.Checks, readCheck(p, i, check))
	}
	n.End()
	return s
}

func readCheck(p *form.Parser, i int, value any) Check {
	n := p.Object("check", i, "", value)
	c := Check{
		Name: n.Text("name"), Method: form.Take(n, "method", aMethod, form.As[string]), Path: n.Text("path"),
		Each:    n.List("each", form.Text, form.As[string]),
		Headers: n.Texts("headers"), Body: n.Text("body"), Optional: n.Flag("optional"),
		Assets: n.Flag("assets"), FollowRedirects: n.Flag("followRedirects"),
	}
	c.All = expect.Read(p, i, form.Take(n, "expect", form.Anything, form.As[any]))
	n.End()
	return c
}
