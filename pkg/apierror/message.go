package apierror

import (
	"regexp"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// MaxMessage bounds what is kept of a message, in bytes.
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
	words := wholeObject.ReplaceAllString(err.Error(), "Invalid value: (the object, withheld)")
	return Bounded(counted.ReplaceAllString(words, ""))
}

// Bounded is one line of at most [MaxMessage] bytes.
func Bounded(words string) string { return text.Line(words, MaxMessage) }

// WithoutValues is a message for a debug log: the API server repeats values that it
// does not like, and Helm its whole answer about a Secret.
func WithoutValues(words string) string {
	words = wholeObject.ReplaceAllString(words, "Invalid value: (withheld)")
	return Bounded(anyValue.ReplaceAllString(words, "Invalid value: (withheld)"))
}
