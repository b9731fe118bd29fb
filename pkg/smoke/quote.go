package smoke

import (
	"strconv"
	"strings"
)

// maxDetail bounds a result's detail, in runes.
const maxDetail = 300

// quote makes a text safe to show: short, on one line, without control characters
// and without characters that change how others look.
func quote(text string, limit int) string {
	var out strings.Builder
	for _, r := range strings.ToValidUTF8(text, "?") {
		if strconv.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		escaped := strconv.QuoteRune(r)
		out.WriteString(escaped[1 : len(escaped)-1])
	}
	return limited(out.String(), limit)
}

// limited cuts a text, in runes.
func limited(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}
