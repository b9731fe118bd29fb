// Package shown says what of an answer may stand in a result: nothing that is a
// credential or an address, little, and on one line.
package shown

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/redact"
)

// hidden stands for what is not shown.
const hidden = redact.Hidden

// secretName is a part of a name whose value is not shown. The words are those of
// JSON keys, query parameters and headers.
const secretName = `(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|credential|cookie|session|signature|jwt)`

var (
	sensitive = regexp.MustCompile(`(?i)` + secretName)
	// assignment is a name of that kind and its value, in JSON, in JSON within a
	// JSON text, in a query or in a line of a log.
	assignment = regexp.MustCompile(`(?i)([\w.-]*` + secretName + `[\w.-]*\\*["']?\s*[:=]\s*)` +
		`(\\+"[^"]*"?|"(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|\{[^}]*\}?|(?:bearer|basic)\s+[^\s,;&"']+|[^\s,;&}"'\\]+)`)
	cookies  = regexp.MustCompile(`(?i)\b((?:set-)?cookie:)[^\r\n]*`)
	scheme   = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	userinfo = regexp.MustCompile(`://[^/\s"'<>]+@`)
	code     = regexp.MustCompile(`([?&](?:code|state|sig|key)=)[^&\s"']+`)
	address  = regexp.MustCompile(`[0-9A-Za-z:.]*[.:][0-9A-Za-z:.]+`)
)

// IsSecret reports whether what has a name like this is not shown.
func IsSecret(name string) bool { return sensitive.MatchString(name) }

// redacted takes credentials and addresses out of a text.
func redacted(text string, secrets *redact.Redactor) string {
	text = secrets.Text(text)
	text = userinfo.ReplaceAllString(text, "://"+hidden+"@")
	text = cookies.ReplaceAllString(text, "$1 "+hidden)
	text = assignment.ReplaceAllString(text, "${1}"+hidden)
	text = scheme.ReplaceAllString(text, "$1 "+hidden)
	text = code.ReplaceAllString(text, "${1}"+hidden)
	return address.ReplaceAllStringFunc(text, withoutAddress)
}

// withoutAddress hides an IP address, with its port: a broken backend tells
// strangers about its network.
func withoutAddress(found string) string {
	const shown = "[address]"
	bare := strings.TrimRight(found, ".:")
	rest := found[len(bare):]
	if _, err := netip.ParseAddrPort(bare); err == nil {
		return shown + rest
	}
	// Without a digit it is rather a word, as in "::add".
	if _, err := netip.ParseAddr(bare); err == nil && strings.ContainsAny(bare, "0123456789") {
		return shown + rest
	}
	return found
}
