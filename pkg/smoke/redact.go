package smoke

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// hidden stands for what is not shown.
const hidden = "***"

// secretName is a part of a name whose value is not shown. The words are those of
// JSON keys, query parameters and headers.
const secretName = `(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|credential|cookie|session|signature|jwt)`

var (
	sensitive = regexp.MustCompile(`(?i)` + secretName)
	// assignment is a name of that kind and its value, in JSON, in JSON within a
	// JSON text, in a query or in a line of a log.
	assignment = regexp.MustCompile(`(?i)([\w.-]*` + secretName + `[\w.-]*\\*["']?\s*[:=]\s*)` +
		`(\\+"[^"]*"?|"(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|\{[^}]*\}?|(?:bearer|basic)\s+[^\s,;&"']+|[^\s,;&}"'\\]+)`)
	cookies = regexp.MustCompile(`(?i)\b((?:set-)?cookie:)[^\r\n]*`)
	scheme  = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	// shapes are credentials that tell by their look: JWT, tokens of GitHub, GitLab,
	// AWS and Slack, private keys, and user and password in a URL.
	shapes = regexp.MustCompile(`\beyJ[\w-]{5,}\.[\w-]*(?:\.[\w-]*)?|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bA(?:KIA|SIA)[0-9A-Z]{16}\b|\bxox[a-z]-[\w-]{10,}` +
		`|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
	userinfo = regexp.MustCompile(`://[^/\s"'<>]+@`)
	code     = regexp.MustCompile(`([?&](?:code|state|sig|key)=)[^&\s"']+`)
	address  = regexp.MustCompile(`[0-9A-Za-z:.]*[.:][0-9A-Za-z:.]+`)
)

// redact takes credentials and addresses out of a text.
func redact(text string, secrets []string) string {
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, hidden)
	}
	text = userinfo.ReplaceAllString(text, "://"+hidden+"@")
	text = shapes.ReplaceAllString(text, hidden)
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

// harmless headers hold no credentials.
var harmless = []string{"Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Host", "Origin", "User-Agent"}

// credentials are what a check may send and must not show: the values of its
// headers, their words (a server may repeat a token without the word before it),
// and what came from the environment, each as it looks in JSON and in a URL, too.
// The longest come first.
func (c Check) credentials() []string {
	plain := slices.Clone(c.secrets)
	for name, value := range c.Headers {
		if slices.Contains(harmless, http.CanonicalHeaderKey(name)) {
			continue
		}
		plain = append(plain, value)
		plain = append(plain, strings.Fields(value)...)
		if text, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(value, "Basic ")); err == nil {
			_, password, _ := strings.Cut(string(text), ":")
			plain = append(plain, string(text), password)
		}
	}
	var secrets []string
	for _, secret := range plain {
		if len(secret) < 4 || placeholder.MatchString(secret) {
			continue
		}
		secrets = append(secrets, secret, url.QueryEscape(secret), url.PathEscape(secret))
		if text, err := json.Marshal(secret); err == nil {
			secrets = append(secrets, string(text[1:len(text)-1]))
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(secrets)
}
