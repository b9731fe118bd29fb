package apierror

import (
	"regexp"
	"strings"
)

// MaxMessage bounds what is kept of a message, in characters.
const MaxMessage = 1000

var (
	// wholeObject is the live object, which the API server repeats when a patch
	// does not fit its type; what it thinks of it follows.
	wholeObject = regexp.MustCompile(`(?s)Invalid value: "\{.*\}"`)
	// counted is what a list of errors puts around one.
	counted  = regexp.MustCompile(`\d+ errors? occurred:\s*\*\s*`)
	anyValue = regexp.MustCompile(`Invalid value: "(\\.|[^"\\])*"`)
)

// Message is what an error says, bounded and without whole objects.
func Message(err error) string {
	text := wholeObject.ReplaceAllString(err.Error(), "Invalid value: (the object, withheld)")
	text = counted.ReplaceAllString(text, "")
	return Bounded(strings.ToValidUTF8(strings.TrimSpace(text), "?"))
}

// Bounded is a text of at most [MaxMessage] characters.
func Bounded(text string) string {
	if runes := []rune(text); len(runes) > MaxMessage {
		return string(runes[:MaxMessage]) + "…"
	}
	return text
}

// WithoutValues is a message for a debug log: the API server repeats values that it
// does not like, and Helm its whole answer about a Secret.
func WithoutValues(text string) string {
	text = wholeObject.ReplaceAllString(text, "Invalid value: (withheld)")
	return Bounded(anyValue.ReplaceAllString(text, "Invalid value: (withheld)"))
}
