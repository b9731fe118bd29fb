package build

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// fromNetwork tells a registry's error from one about what it holds.
func fromNetwork(err error) bool {
	var answer *transport.Error
	var request *url.Error
	return errors.As(err, &answer) || errors.As(err, &request)
}

// registryError sorts what a registry answered. The answer is foreign text.
func registryError(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	var sorted *record.Error
	if errors.As(err, &sorted) {
		return err
	}
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return record.Unavailable("build/registry-unavailable",
			"%s: %w; check the address and that the registry is reachable from here", doing, bounded{err})
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		host := "HOST"
		if answer.Request != nil {
			host = answer.Request.URL.Host
		}
		return record.Unavailable("build/registry-denied",
			"%s: %w; log in first (`docker login %s`) with an account that may do it", doing, bounded{err}, host)
	case http.StatusNotFound:
		return record.BadInput("build/image-not-found",
			"%s: %w; check the spelling, some registries also hide what the account may not see", doing, bounded{err})
	}
	return record.Unavailable("build/registry-unavailable", "%s: %w", doing, bounded{err})
}

// queries are the ends of addresses that can let others in: registries sign them.
var queries = regexp.MustCompile(`(https?://[^\s"'?]+)\?[^\s"']*`)

// bounded shows at most maxText characters of a foreign message, on one line, and
// of addresses no query.
type bounded struct{ error }

func (b bounded) Error() string {
	text := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, queries.ReplaceAllString(b.error.Error(), "$1?…")))
	if len(text) > maxText {
		return string(text[:maxText]) + "…"
	}
	return string(text)
}

func (b bounded) Unwrap() error { return b.error }

// hasCode reports whether the registry gave one of the error codes.
func hasCode(err error, codes ...transport.ErrorCode) bool {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return false
	}
	for _, d := range answer.Errors {
		for _, code := range codes {
			if d.Code == code {
				return true
			}
		}
	}
	return false
}

// uploadLost reports whether an upload has to begin anew: the registry forgot it, or
// the bytes did not arrive as they were sent.
func uploadLost(err error) bool {
	return hasCode(err, transport.BlobUploadUnknownErrorCode, transport.BlobUploadInvalidErrorCode, transport.DigestInvalidErrorCode, transport.SizeInvalidErrorCode)
}
