package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// IsNotFound reports whether a registry answered that there is no such thing (404).
func IsNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

// FromNetwork tells a registry's error, or one of the way there, from one about what it
// holds.
func FromNetwork(err error) bool {
	return is[*transport.Error](err) || is[*url.Error](err) || is[net.Error](err) || is[lost](err)
}

// Wrap sorts what a registry answered. The answer is foreign text, and stands before
// what can be done about it.
func Wrap(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	var sorted *record.Error
	if errors.As(err, &sorted) {
		return err
	}
	var answer *transport.Error
	status := 0
	if errors.As(err, &answer) {
		status = answer.StatusCode
	}
	kind, code := record.KindUnavailable, "build/registry-unavailable"
	switch {
	case IsImmutable(err):
		kind, code = record.KindInput, "build/tag-immutable"
	case IsDenied(err):
		code = "build/registry-denied"
	case status == http.StatusNotFound:
		kind, code = record.KindInput, "build/image-not-found"
	case errors.Is(err, remote.ErrSchema1):
		return record.BadInput("build/no-image", "%s: it is in the format that Docker had until 2016 (schema 1), which containerd starts no more: build it anew", doing)
	}
	return &record.Error{Kind: kind, Code: code, Err: fmt.Errorf("%s: %w%s", doing, Shown(err), Advice(err))}
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

// Shown makes an error fit to be shown whose words are those of a registry.
func Shown(err error) error { return message{err} }

// HasCode reports whether the registry gave one of the error codes.
func HasCode(err error, codes ...transport.ErrorCode) bool {
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

// IsDenied reports whether a registry does not let whom it was asked as do that, or has a
// rule against it.
func IsDenied(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) || keptBack(err)
}

// IsImmutable reports whether a registry keeps a tag as it is: ECR says TAG_INVALID,
// Harbor PRECONDITION, others say it in words.
func IsImmutable(err error) bool {
	var answer *transport.Error
	if !errors.As(err, &answer) || answer.Request == nil || answer.Request.Method != http.MethodPut || answer.StatusCode >= http.StatusInternalServerError {
		return false
	}
	// The address may have the word, too.
	words := strings.ReplaceAll(strings.ReplaceAll(answer.Error(), answer.Request.URL.Path, ""), answer.Request.URL.Host, "")
	return HasCode(err, "TAG_INVALID", "PRECONDITION") || strings.Contains(strings.ToLower(words), "immutab")
}

// UploadLost reports whether an upload has to begin anew: the registry forgot it, which it may
// say without words, does not go on with it, or the bytes did not arrive as they were sent.
func UploadLost(err error) bool {
	var answer *transport.Error
	if errors.As(err, &answer) && (answer.StatusCode == http.StatusRequestedRangeNotSatisfiable || answer.StatusCode == http.StatusNotFound && len(answer.Errors) == 0 && uploads(answer.Request)) {
		return true
	}
	return HasCode(err, transport.BlobUploadUnknownErrorCode, transport.BlobUploadInvalidErrorCode, transport.DigestInvalidErrorCode, transport.SizeInvalidErrorCode)
}

// uploads reports whether a request goes on with an upload that has begun.
func uploads(request *http.Request) bool {
	return request != nil && (request.Method == http.MethodPatch || request.Method == http.MethodPut && !strings.Contains(request.URL.Path, "/manifests/"))
}
