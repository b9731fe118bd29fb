package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// Timeout is for what moves no layers.
	Timeout    = 2 * time.Minute
	maxProblem = 64 << 10 // bytes of an answer that tells about a problem
	maxAtOnce  = 1 << 20  // bytes of a blob that is read at once
)

var errDamaged = errors.New("the bytes are not those of the digest")

// retrying is the transport of all requests. It tries reading requests again, and
// bounds what a registry can make us read.
type retrying struct {
	next  http.RoundTripper
	retry *Retrier
}

func newRetrying(retry *Retrier, o TransportOptions) *retrying {
	return &retrying{next: NewTransport(o), retry: retry}
}

// RoundTrip implements [http.RoundTripper].
func (w *retrying) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		// Who sends something knows how to send it again.
		return w.once(request)
	}
	var response *http.Response
	err := w.retry.Do(request.Context(), request.Method+" "+request.URL.Path, func() (err error) {
		response, err = w.once(request) //nolint:bodyclose // closed below, or by the caller
		if err != nil {
			return err
		}
		if Temporary[response.StatusCode] {
			text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
			_ = response.Body.Close()
			if err != nil {
				return err
			}
			response.Body = io.NopCloser(bytes.NewReader(text))
			err = Check(response, http.StatusOK)
			// The caller gets the last of these answers and reads it anew.
			response.Body = io.NopCloser(bytes.NewReader(text))
			return err
		}
		return nil
	})
	if response != nil && Temporary[response.StatusCode] {
		return response, nil
	}
	return response, err
}

func (w *retrying) once(request *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// Long ones are read with care by who asked for them.
	if long := response.ContentLength < 0 || response.ContentLength > maxAtOnce; ForBlob(request) && long {
		return response, nil
	}
	// Small answers are read here, so that one that breaks off is asked for again; an image's
	// configuration is a small blob.
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
}
