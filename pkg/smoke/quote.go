package smoke

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxDetail bounds a result's detail, in runes.
const maxDetail = 300

// quote makes a text safe to show: short, on one line, without control characters.
func quote(text string, limit int) string {
	quoted := strconv.Quote(strings.ToValidUTF8(text, "?"))
	text = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// private finds what a broken backend tells strangers about its network:
// addresses, and user and password in a URL.
var private = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b|://[^/\s@"']+@`)

// redact takes credentials and addresses out of a text.
func redact(text string, secrets []string) string {
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return private.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "://") {
			return "://***@"
		}
		return "[address]"
	})
}

// harmless headers hold no credentials.
var harmless = []string{"Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Host", "Origin", "User-Agent"}

// credentials are the values of a check's headers, and their words: a server may
// repeat a token without the word before it. The longest come first.
func (c Check) credentials() []string {
	var secrets []string
	for name, value := range c.Headers {
		if slices.Contains(harmless, http.CanonicalHeaderKey(name)) {
			continue
		}
		for _, secret := range append(strings.Fields(value), value) {
			if len(secret) >= 4 && !placeholder.MatchString(secret) {
				secrets = append(secrets, secret)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}
