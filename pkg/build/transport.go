package build

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/stagecrew/stagecrew/pkg/registry"
)

const (
	smallTimeout = 2 * time.Minute // for requests that move no layers
	// maxBlob bounds one layer that passes through, in bytes.
	maxBlob    = registry.MaxBlob
	maxProblem = 64 << 10 // bytes of an answer that tells about a problem
	maxText    = 500      // characters of a foreign message
)

var errDamaged = errors.New("the bytes are not those of the digest")

// wire is the transport of all requests. It tries reading requests again, and
// bounds what a registry can make us read.
type wire struct {
	next  http.RoundTripper
	retry *retrier
}

func newWire(retry *retrier, o registry.Options) *wire {
	return &wire{next: registry.New(o), retry: retry}
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		// Who sends something knows how to send it again.
		return w.once(request)
	}
	var response *http.Response
	err := w.retry.do(request.Context(), request.Method+" "+request.URL.Path, func() (err error) {
		response, err = w.once(request) //nolint:bodyclose // closed below, or by the caller
		if err != nil {
			return err
		}
		if passing[response.StatusCode] {
			text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
			_ = response.Body.Close()
			if err != nil {
				return err
			}
			response.Body = io.NopCloser(bytes.NewReader(text))
			err = check(response, http.StatusOK)
			// The caller gets the last of these answers and reads it anew.
			response.Body = io.NopCloser(bytes.NewReader(text))
			return err
		}
		return nil
	})
	if response != nil && passing[response.StatusCode] {
		return response, nil
	}
	return response, err
}

func (w *wire) once(request *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// Blobs are long, and read with care by who asked for them.
	if registry.ForBlob(request) {
		return response, nil
	}
	// Small answers are read here, so that one that breaks off is asked for again.
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
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
