package checks

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/smoke/shown"
)

// Safe makes a text fit for a result.
func (c Check) Safe(text string) string { return shown.Detail(text, c.credentials()) }

// harmless headers hold no credentials.
var harmless = []string{"Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Host", "Origin", "User-Agent"}

// credentials are what a check may send and must not show: the values of its
// headers, their words (a server may repeat a token without the word before it),
// and what came from the environment.
func (c Check) credentials() *redact.Redactor {
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
	return redact.Of(slices.DeleteFunc(plain, placeholder.MatchString)...)
}
