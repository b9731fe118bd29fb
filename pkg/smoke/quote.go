package smoke

import (
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxDetail bounds a result's detail, in bytes.
const maxDetail = 300

// quote makes a text safe to show: short, on one line, without control characters
// and without characters that change how others look.
func quote(s string, limit int) string { return text.Cut(text.Visible(s), limit) }
