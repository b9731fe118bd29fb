package redact

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// span is a part of a text: from its first byte to before its last.
type span struct{ from, to int }

// with is a span that has both in it; the zero span is nothing.
func (s span) with(other span) span {
	if other.to == 0 {
		return s
	}
	return span{min(s.from, other.from), max(s.to, other.to)}
}

// cover puts [Hidden] in place of the spans; those that touch are one.
func cover(text string, found []span) string {
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for i := 0; i < len(found); {
		s := found[i]
		for i++; i < len(found) && found[i].from <= s.to; i++ {
			s.to = max(s.to, found[i].to)
		}
		for s.from > done && !utf8.RuneStart(text[s.from]) {
			s.from--
		}
		for s.to < len(text) && !utf8.RuneStart(text[s.to]) {
			s.to++
		}
		b.WriteString(text[done:s.from] + Hidden)
		done = s.to
	}
	b.WriteString(text[done:])
	return b.String()
}
