package smoke

import (
	"encoding/json"
	"strings"

	"github.com/agext/levenshtein"
)

func (p *parser) suite(value any) Suite {
	n := p.object("suite", -1, "", value)
	s := Suite{
		Consecutive: n.number("consecutive"), Attempts: n.number("attempts"),
		Interval: n.duration("interval"), Timeout: n.duration("timeout"), Budget: n.duration("budget"),
	}
	for i, check := range take(n, "checks", aList, as[[]any]) {
		s.Checks = append(s.Checks, p.check(i, check))
	}
	n.end()
	return s
}

func (p *parser) check(i int, value any) Check {
	n := p.object("check", i, "", value)
	c := Check{
		Name: n.text("name"), Method: take(n, "method", aMethod, as[string]), Path: n.text("path"),
		Each:    n.list("each", aText, as[string]),
		Headers: n.texts("headers"), Body: n.text("body"), Optional: n.flag("optional"),
		Assets: n.flag("assets"), FollowRedirects: n.flag("followRedirects"),
	}
	c.Expect = p.expect(i, take(n, "expect", anything, as[any]))
	n.end()
	return c
}

// show gives a JSON value for a message.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "something that is no JSON"
	}
	return quote(string(text), 60)
}

// maxTypo is how many letters may differ for a word to count as a typing error.
const maxTypo = 2

// nearest is the known word that somebody may have meant, "" when none is near.
func nearest(word string, known []string) string {
	best, distance := "", maxTypo+1
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(word), strings.ToLower(k), nil); d < distance && d < len(k)/2+1 {
			best, distance = k, d
		}
	}
	return best
}
