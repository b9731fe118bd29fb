package build

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
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
			"%s: %w; check the address and that the registry is reachable from here", doing, shown(err))
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		host := "HOST"
		if answer.Request != nil {
			host = answer.Request.URL.Host
		}
		return record.Unavailable("build/registry-denied",
			"%s: %w; log in first (`docker login %s`) with an account that may do it", doing, shown(err), host)
	case http.StatusNotFound:
		return record.BadInput("build/image-not-found",
			"%s: %w; check the spelling, some registries also hide what the account may not see", doing, shown(err))
	}
	return record.Unavailable("build/registry-unavailable", "%s: %w", doing, shown(err))
}

// queries are the ends of addresses that can let others in: registries sign them.
var queries = regexp.MustCompile(`(https?://[^\s"'?]+)\?[^\s"']*`)

// maxText bounds what is shown of a registry's message, in bytes.
const maxText = 500

// message shows an error with a registry's words: on one line, bounded, and without
// the queries of addresses.
type message struct{ error }

func (m message) Error() string {
	return text.Line(queries.ReplaceAllString(m.error.Error(), "$1?…"), maxText)
}

func (m message) Unwrap() error { return m.error }

// shown makes an error fit to be shown whose words are those of a registry.
func shown(err error) error { return message{err} }

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
