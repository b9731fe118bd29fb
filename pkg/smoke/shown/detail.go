package shown

import (
	"strings"

	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// MaxDetail bounds a result's detail, in bytes.
const MaxDetail = 300

// Line makes a text safe to show: short, on one line, without control characters
// and without characters that change how others look. The newline that ends most
// pages of one line is no part of it.
func Line(s string, limit int) string {
	return text.Cut(text.Visible(strings.TrimSpace(s)), limit)
}

// Detail makes a text fit for a result: without credentials and addresses, and short.
func Detail(text string, secrets *redact.Redactor) string {
	return Line(redacted(text, secrets), MaxDetail)
}
