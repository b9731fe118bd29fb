package redact

import (
	"slices"
	"strings"
)

// isCut reports whether a text was cut here: at its end, or in its middle.
func isCut(rest string) bool {
	return strings.HasPrefix(rest, ellipsis) || strings.HasPrefix(rest, " "+ellipsis) || strings.HasPrefix(rest, "...")
}

const ellipsis = "…"

// cuts finds what an ellipsis has left of values: the beginnings before it that are
// too short for the index, and the ends after it.
func (x *index) cuts(text string) (found []span) {
	if strings.HasPrefix(text, "...") {
		found = x.rest(found, text, len("..."))
	}
	const most = 100 // of them in a text
	for n, at := 0, 0; n < most; n++ {
		next := strings.Index(text[at:], ellipsis)
		if next < 0 {
			return found
		}
		end := at + next
		at = end + len(ellipsis)
		found = x.rest(found, text, at)
		found = x.start(found, text, end)
		if end > 0 && text[end-1] == ' ' {
			found = x.start(found, text, end-1)
		}
	}
	return found
}

// start adds the beginning of a value that stands before an offset.
func (x *index) start(found []span, text string, end int) []span {
	for size := min(long-1, end); size >= short; size-- {
		if x.begins(text[end-size:end]) && isEdge(text, end-size) {
			return append(found, span{end - size, end})
		}
	}
	return found
}

// maxRest bounds the end of a value that is looked for.
const maxRest = 1 << 10

// rest adds the end of a value, half of it or more, that stands behind an offset or a
// space there.
func (x *index) rest(found []span, text string, at int) []span {
	best := span{}
	for range 2 {
		for end := at + short; end <= min(len(text), at+maxRest); end++ {
			if x.ending(text[at:end], isEnd(text, end)) {
				best = span{at, end}
			}
		}
		if best.to > 0 || at >= len(text) || text[at] != ' ' {
			break
		}
		at++
	}
	if best.to > 0 {
		found = append(found, best)
	}
	return found
}

// ending reports whether a text is the end of a value, and not of a longer word.
func (x *index) ending(text string, isEnd bool) bool {
	return slices.ContainsFunc(x.ends[key4(text[len(text)-short:])], func(number int32) bool {
		p := &x.patterns[number]
		return !p.off && 2*len(text) >= len(p.text) && (isEnd || !p.word) && strings.HasSuffix(p.text, text)
	})
}

func (x *index) begins(start string) bool {
	return slices.ContainsFunc(x.patterns, func(p pattern) bool {
		return !p.off && !p.token && len(p.text) > len(start) && len(p.text) <= 2*long && strings.HasPrefix(p.text, start)
	})
}
