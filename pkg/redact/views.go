package redact

import (
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// view is a text without its escapes, with where each byte came from.
type view struct {
	text string
	from []int32 // for each byte where it begins in the original
	to   []int32 // and where it ends
	// joined says that lines were put together: what stands around is another text.
	joined bool
}

func (v view) original(s span) span { return span{int(v.from[s.from]), int(v.to[s.to-1])} }

// escape is one way to escape characters.
type escape struct {
	sign string   // without one of these bytes a text has none of them
	any  []string // without one of these neither; nil for no more to look for
	// read gives what an escape at the begin of a text stands for, and its length;
	// 0 when there is none.
	read  func(text string) (string, int)
	joins bool // whether lines are put together
}

// escapes are those of URLs and forms, of programming languages and JSON, of
// shells, YAML and CSV, of HTML, and the lines of a long base64 text.
var escapes = []escape{
	{sign: "%", read: percent},
	{sign: "+%", any: []string{"+"}, read: form},
	{sign: "\\", read: backslash},
	{sign: "'\"", any: quoted, read: quotes},
	{sign: "&", read: entity},
	{sign: "\r\n", read: wrapped, joins: true},
}

var quoted = []string{"''", `""`, `'\''`, `'"'"'`, `"'"`}

func (e escape) isIn(text string) bool {
	return strings.ContainsAny(text, e.sign) && (e.any == nil ||
		slices.ContainsFunc(e.any, func(sign string) bool { return strings.Contains(text, sign) }))
}

// depth is how many ways may be one within the other, as JSON in a URL.
const depth = 2

// maxViewed bounds a text whose escapes are looked at within others.
const maxViewed = 64 << 10

// views gives the text without each kind of escapes, and those again without others.
func views(text string) []view {
	var all []view
	seen := map[string]bool{text: true}
	round := []view{{text: text}}
	for range depth {
		var next []view
		for _, v := range round {
			for _, e := range escapes {
				if !e.isIn(v.text) {
					continue
				}
				if without := v.without(e); !seen[without.text] {
					seen[without.text] = true
					next = append(next, without)
				}
			}
		}
		all, round = append(all, next...), next
		if len(text) > maxViewed {
			break
		}
	}
	return all
}

// without takes one kind of escapes out.
func (v view) without(e escape) view {
	var b strings.Builder
	out := view{from: make([]int32, 0, len(v.text)), to: make([]int32, 0, len(v.text)), joined: v.joined || e.joins}
	for i := 0; i < len(v.text); {
		plain, size := v.text[i:i+1], 1
		if strings.IndexByte(e.sign, v.text[i]) >= 0 {
			if read, n := e.read(v.text[i:]); n > 0 {
				plain, size = read, n
			}
		}
		from, to := int32(i), int32(i+size)
		if v.from != nil {
			from, to = v.from[i], v.to[i+size-1]
		}
		for range len(plain) {
			out.from, out.to = append(out.from, from), append(out.to, to)
		}
		b.WriteString(plain)
		i += size
	}
	out.text = b.String()
	return out
}

func percent(text string) (string, int) {
	if len(text) < 3 {
		return "", 0
	}
	value, err := strconv.ParseUint(text[1:3], 16, 8)
	if err != nil {
		return "", 0
	}
	return string([]byte{byte(value)}), 3
}

// form reads what browsers make of a form: a URL's escapes, and a space as "+".
func form(text string) (string, int) {
	if text[0] == '+' {
		return " ", 1
	}
	return percent(text)
}

// backslash reads the escapes of JSON, Go, JavaScript, C and shells. An unknown
// one is the character itself.
func backslash(text string) (string, int) {
	if len(text) < 2 {
		return "", 0
	}
	if i := strings.IndexByte("abefnrtv", text[1]); i >= 0 {
		return "\a\b\x1b\f\n\r\t\v"[i : i+1], 2
	}
	switch c := text[1]; {
	case c == 'x':
		return number(text, 2, 2, 16)
	case c == 'U':
		return number(text, 2, 8, 16)
	case c == 'u':
		return unicodeEscape(text)
	case c >= '0' && c <= '3' && len(text) >= 4:
		if plain, size := number(text, 1, 3, 8); size > 0 {
			return plain, size
		}
	}
	_, size := utf8.DecodeRuneInString(text[1:])
	return text[1 : 1+size], 1 + size
}

// number reads an escape of a fixed number of digits.
func number(text string, at, digits, base int) (string, int) {
	if len(text) < at+digits {
		return "", 0
	}
	value, err := strconv.ParseUint(text[at:at+digits], base, 32)
	if err != nil {
		return "", 0
	}
	if digits == 8 {
		return string(rune(value)), at + digits
	}
	return string([]byte{byte(value)}), at + digits
}

func unicodeEscape(text string) (string, int) {
	unit := func(text string) (rune, bool) {
		if len(text) < 6 || text[:2] != `\u` {
			return 0, false
		}
		value, err := strconv.ParseUint(text[2:6], 16, 16)
		return rune(value), err == nil
	}
	first, ok := unit(text)
	if !ok {
		return "", 0
	}
	if utf16.IsSurrogate(first) {
		if second, ok := unit(text[6:]); ok {
			return string(utf16.DecodeRune(first, second)), 12
		}
	}
	return string(first), 6
}

// quotes reads how shells, YAML, SQL and CSV write a quote within quotes.
func quotes(text string) (string, int) {
	for _, written := range []string{`'\''`, `'"'"'`, `"'"`, `''`, `""`} {
		if strings.HasPrefix(text, written) {
			if written == `""` {
				return `"`, len(written)
			}
			return "'", len(written)
		}
	}
	return "", 0
}

func entity(text string) (string, int) {
	end := strings.IndexByte(text[:min(len(text), 12)], ';')
	if end < 0 {
		return "", 0
	}
	plain := html.UnescapeString(text[:end+1])
	if plain == text[:end+1] {
		return "", 0
	}
	return plain, end + 1
}

// wrapped takes out a line break, with the spaces around it.
func wrapped(text string) (string, int) {
	return "", len(text) - len(strings.TrimLeft(text, "\r\n\t "))
}
