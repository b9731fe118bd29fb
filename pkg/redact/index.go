package redact

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// short and long are how many bytes of a pattern are looked up at once.
	short, long = 4, 8
	// stride lies between two places of an opaque value at which a part of it is
	// looked for, so that a part of 31 bytes is always found.
	stride = 24
	// least is how much of a value counts as a part of it.
	least = 20
)

// pattern is one thing to look for.
type pattern struct {
	text   string
	value  string // what it is a form of
	word   bool   // counts as a whole word only
	opaque bool   // a part of it is as telling as the whole
	token  bool   // within base64: everything around it is hidden, too
	lines  bool   // has several
	off    bool
}

// place is an offset in a pattern. Places with the same key are a list.
type place struct {
	pattern, offset int32
	next            int32 // in places, 0 for the last
}

// index finds patterns. At each byte of a text it costs one look at a bit; more
// only where a pattern could begin.
type index struct {
	patterns []pattern
	places   []place
	shorts   map[uint32]int32 // the patterns of 4 to 7 bytes
	longs    map[uint64]int32
	bits     []uint64           // whether a pattern begins with 4 bytes of this hash
	ends     map[uint32][]int32 // the patterns by their last 4 bytes
	known    map[string]bool
}

const bitCount = 1 << 18

func hash(key uint32) uint32 { return key * 2654435761 >> (32 - 18) }

func key4(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func key8(s string) uint64 { return uint64(key4(s)) | uint64(key4(s[4:]))<<32 }

// add indexes all forms of a value; see forms for a bare one.
func (x *index) add(value string, bare, off bool) {
	if x.known == nil {
		x.shorts, x.longs, x.known = map[uint32]int32{}, map[uint64]int32{}, map[string]bool{}
		x.bits, x.places, x.ends = make([]uint64, bitCount/64), make([]place, 1), map[uint32][]int32{}
	}
	for _, p := range forms(value, bare) {
		if len(p.text) < short || x.known[p.text] {
			continue
		}
		x.known[p.text] = true
		p.value, p.off, p.lines = value, off, strings.Contains(p.text, "\n")
		x.patterns = append(x.patterns, p)
		if end := key4(p.text[len(p.text)-short:]); !p.lines {
			x.ends[end] = append(x.ends[end], int32(len(x.patterns)-1))
		}
		x.enter(0)
		if p.opaque {
			for at := stride; at+long <= len(p.text); at += stride {
				x.enter(at)
			}
		}
	}
}

// enter adds a place of the last pattern.
func (x *index) enter(at int) {
	number, text := len(x.patterns)-1, x.patterns[len(x.patterns)-1].text[at:]
	next := place{pattern: int32(number), offset: int32(at)}
	here := int32(len(x.places))
	if len(text) < long {
		next.next, x.shorts[key4(text)] = x.shorts[key4(text)], here
	} else {
		next.next, x.longs[key8(text)] = x.longs[key8(text)], here
	}
	x.places = append(x.places, next)
	bit := hash(key4(text))
	x.bits[bit/64] |= 1 << (bit % 64)
}

// span is a part of a text: from its first byte to before its last.
type span struct{ from, to int }

// with is a span that has both in it; the zero span is nothing.
func (s span) with(other span) span {
	if other.to == 0 {
		return s
	}
	return span{min(s.from, other.from), max(s.to, other.to)}
}

// find looks for the patterns in a text and in what it escapes.
func (x *index) find(text string) []span {
	if len(x.patterns) == 0 {
		return nil
	}
	found := x.scan(view{text: text})
	for _, v := range views(text) {
		for _, s := range x.scan(v) {
			found = append(found, v.original(s))
		}
	}
	return append(found, x.within(text)...)
}

// within finds base64 texts that have a value in them, however short it is and
// however it is escaped there. Each is hidden as a whole.
func (x *index) within(text string) (found []span) {
	for from := 0; from < len(text); {
		to := from
		for to < len(text) && isBase64(text[to]) && text[to] != '=' {
			to++
		}
		if to == from {
			from++
			continue
		}
		found = append(found, x.inToken(text, from, to)...)
		from = to
	}
	return found
}

// inToken looks into a word as a whole and into what stands between the characters
// that are both base64 and punctuation.
func (x *index) inToken(text string, from, to int) (found []span) {
	hide := func(from, to int) bool {
		plain, ok := decoded(text[from:to])
		if !ok || !x.has(plain) {
			return false
		}
		for to < len(text) && text[to] == '=' {
			to++
		}
		found = append(found, span{from, to})
		return true
	}
	if hide(from, to) {
		return found
	}
	for start := from; start < to; {
		end := start
		for end < to && isWord(text[end]) && text[end] != '_' {
			end++
		}
		if end-start < to-from {
			hide(start, end)
		}
		start = end + 1
	}
	return found
}

func (x *index) has(text string) bool {
	return len(x.scan(view{text: text})) > 0 ||
		slices.ContainsFunc(views(text), func(v view) bool { return len(x.scan(v)) > 0 })
}

// decoded reads a base64 text that stands for a text. Most words do not.
func decoded(token string) (string, bool) {
	if len(token) < short+2 || len(token)%4 == 1 {
		return "", false
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(token, "-_") {
		encoding = base64.RawURLEncoding
	}
	var start [6]byte
	if n, err := encoding.Decode(start[:], []byte(token[:min(len(token)/4*4, long)])); err != nil || !isText(start[:n]) {
		return "", false
	}
	plain, err := encoding.DecodeString(token)
	return string(plain), err == nil && isText(plain) && utf8.Valid(plain)
}

func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}

func (x *index) scan(v view) (found []span) {
	text := v.text
	for i := 0; i+short <= len(text); i++ {
		key := key4(text[i:])
		bit := hash(key)
		if x.bits[bit/64]&(1<<(bit%64)) == 0 {
			continue
		}
		best := span{}
		consider := func(at int32) {
			for ; at != 0; at = x.places[at].next {
				if s, ok := x.match(x.places[at], v, i); ok {
					best = s.with(best)
				}
			}
		}
		consider(x.shorts[key])
		if i+long <= len(text) {
			consider(x.longs[key8(text[i:])])
		}
		if best.to > 0 {
			found = append(found, best)
			if best.to-i > 4*stride {
				i = best.to - stride // enough for what overlaps
			}
		}
	}
	return append(found, x.cuts(text)...)
}

// match compares a pattern with the text at the place where their keys are equal.
func (x *index) match(at place, v view, i int) (span, bool) {
	p, text := &x.patterns[at.pattern], v.text
	if p.off {
		return span{}, false
	}
	from, to := i, i
	for rest := p.text[at.offset:]; to < len(text) && to-i < len(rest) && text[to] == rest[to-i]; {
		to++
	}
	whole := at.offset == 0 && to-i == len(p.text)
	if p.opaque {
		for offset := int(at.offset); from > 0 && offset > 0 && text[from-1] == p.text[offset-1]; offset-- {
			from--
		}
	}
	// A text that was cut, or a part of what is telling as such.
	cut := at.offset == 0 && !p.lines && (to == len(text) && 2*(to-i) >= len(p.text) || isCut(text[to:]))
	if !whole && !cut && (!p.opaque || to-from < least) {
		return span{}, false
	}
	if p.word && (!isEdge(text, i) || !cut && !isEnd(text, to)) {
		return span{}, false
	}
	if p.token && !v.joined {
		for from > 0 && isBase64(text[from-1]) && text[from-1] != '=' {
			from--
		}
		for to < len(text) && isBase64(text[to]) {
			to++
		}
	}
	return span{from, to}, true
}

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

// isEdge reports whether a word can begin here: after no letter and no digit, or
// after one that belongs to an escape.
func isEdge(text string, at int) bool {
	if at == 0 || !isWord(text[at-1]) {
		return true
	}
	before := text[:at]
	return len(before) >= 2 && before[len(before)-2] == '\\' && strings.IndexByte("nrt", before[len(before)-1]) >= 0 ||
		len(before) >= 3 && before[len(before)-3] == '%'
}

func isEnd(text string, at int) bool { return at == len(text) || !isWord(text[at]) }

func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_'
}

func isBase64(b byte) bool {
	return isWord(b) || b == '+' || b == '/' || b == '=' || b == '-'
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
