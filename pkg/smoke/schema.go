package smoke

import (
	"encoding/json"
	"strings"
)

func (p *parser) suite(value any) Suite {
	n := p.object(-1, "", value)
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
	n := p.object(i, "", value)
	c := Check{
		Name: n.text("name"), Method: n.text("method"), Path: n.text("path"),
		Each:    n.list("each", "a text", as[string]),
		Headers: n.texts("headers"), Body: n.text("body"), Optional: n.flag("optional"),
		Assets: n.flag("assets"), FollowRedirects: n.flag("followRedirects"),
	}
	c.Expect = p.expect(i, n.any("expect"))
	n.end()
	return c
}

func (p *parser) expect(i int, value any) Expect {
	n := p.object(i, "expect", value)
	e := Expect{
		Status:      n.list("status", "a status such as 200 or 2xx", status),
		ContentType: n.text("contentType"), Headers: n.texts("headers"),
		BodyRegex:    n.list("bodyRegex", "a text", as[string]),
		BodyNotRegex: n.list("bodyNotRegex", "a text", as[string]),
		JSON:         take(n, "json", "an object of dotted paths", as[map[string]any]),
		MaxLatency:   n.duration("maxLatency"),
	}
	n.end()
	return e
}

// status takes 200 and "2xx".
func status(value any) (string, bool) {
	switch value := value.(type) {
	case json.Number:
		return value.String(), true
	case string:
		return strings.ToLower(value), true
	}
	return "", false
}

// show gives a JSON value for a message.
func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "something that is no JSON"
	}
	return quote(string(text), 60)
}

// nearest is the known word that somebody may have meant, "" when none is near.
func nearest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < distance && d < len(k)/2+1 {
			best, distance = k, d
		}
	}
	return best
}

// edits counts the letters to add, to remove or to change from a to b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(before+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
