package redact

import (
	"strings"
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
