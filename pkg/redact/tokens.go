package redact

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

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

func isBase64(b byte) bool {
	return isWord(b) || b == '+' || b == '/' || b == '=' || b == '-'
}
