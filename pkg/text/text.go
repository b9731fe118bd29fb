// Package text makes text of others fit to be shown: what registries, clusters, pods
// and pages say goes into log lines, errors, records and summaries as one line of
// bounded length, without what steers a terminal or changes how the text around it
// looks.
package text

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Duration says how long something takes as kubectl does: 10m, and not 10m0s.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ellipsis stands where something is missing.
const ellipsis = "…"

// Line makes one line of a text of at most limit bytes. Line breaks and other white
// space become spaces, and so do control characters; what else cannot be seen, such as
// the marks that change the direction of writing, is written out (\u202e). A longer
// text ends in "…", which comes on top of the limit.
func Line(s string, limit int) string {
	// No character becomes shorter than a quarter of its bytes.
	long := len(s) > 4*limit
	s = strings.ToValidUTF8(s[:min(len(s), 4*limit)], "?")
	s = escaped(strings.TrimSpace(strings.Map(spaced, s)))
	if long && len(s) <= limit {
		return s + ellipsis
	}
	return Cut(s, limit)
}

// Middle is Line for a text whose end tells as much as its beginning, as messages do
// that begin with what was tried and end with what went wrong: of a longer one a third
// of limit bytes is from the beginning, and the rest from the end.
func Middle(s string, limit int) string {
	s = escaped(strings.TrimSpace(strings.Map(spaced, strings.ToValidUTF8(s, "?"))))
	if len(s) <= limit {
		return s
	}
	end := len(s) - 2*limit/3
	for end < len(s) && !utf8.RuneStart(s[end]) {
		end++
	}
	return head(s, limit/3) + " " + ellipsis + " " + s[end:]
}

// ByteOrderMark begins what editors and shells on Windows write; it is no part of the text,
// and npm, Node.js, Git and Docker pass over it, too.
const ByteOrderMark = "\ufeff"

// Unmarked is a document without the byte-order mark at its begin.
func Unmarked(document []byte) []byte { return bytes.TrimPrefix(document, []byte(ByteOrderMark)) }

// CheckUTF8 refuses a document in another encoding, such as the UTF-16 of Windows' older
// shells: its lines would be words that nobody has written (moby/moby#21940,
// browser-use/browser-use#1670).
func CheckUTF8(document []byte) error {
	if utf8.Valid(document) && bytes.IndexByte(document, 0) < 0 {
		return nil
	}
	return errors.New("it is no text in UTF-8; write it again as such")
}

// Visible writes out everything that cannot be seen, line breaks (\n) too, so that
// nothing of what was said is lost. The length is what it is; see [Cut].
func Visible(s string) string { return escaped(strings.ToValidUTF8(s, "?")) }

// Cut gives at most limit bytes of a text, and "…" where more followed. No character
// is cut in two.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return head(s, limit) + ellipsis
}

func head(s string, limit int) string {
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func spaced(r rune) rune {
	if unicode.IsSpace(r) || unicode.IsControl(r) {
		return ' '
	}
	return r
}

func escaped(s string) string {
	hidden := func(r rune) bool { return !strconv.IsPrint(r) }
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Error shows err as one line of at most limit bytes; what it wraps can still be asked.
func Error(err error, limit int) error { return shown{err, limit} }

type shown struct {
	error
	limit int
}

func (s shown) Error() string { return Line(s.error.Error(), s.limit) }
func (s shown) Unwrap() error { return s.error }

// Anywhere reports whether a text of a JSON value, at any depth, is one that is looked for.
// Keys are no texts.
func Anywhere(value any, is func(string) bool) bool {
	switch v := value.(type) {
	case string:
		return is(v)
	case map[string]any:
		for _, inner := range v {
			if Anywhere(inner, is) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return Anywhere(inner, is) })
	}
	return false
}
