package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// Timeout is for what moves no layers.
	Timeout    = 2 * time.Minute
	maxProblem = 64 << 10 // bytes of an answer that tells about a problem
	maxAtOnce  = 1 << 20  // bytes of a blob that is read at once

	// A host that never answered is asked as often as this, or for so long: a name that is
	// wrong, or a registry that is not there, does not heal.
	maxUnanswered  = 4
	longUnanswered = 20 * time.Second
)

var errDamaged = errors.New("the bytes are not those of the digest")

// retrying is the transport of all requests. It tries reading requests again, and
// bounds what a registry can make us read.
type retrying struct {
	next  http.RoundTripper
	retry *Retrier
	// answered are the hosts that did, however badly: they are there.
	answered sync.Map
}

// absent is the error of a host that never answered.
type absent struct{ error }

func (a absent) Unwrap() error { return a.error }

// RoundTrip implements [http.RoundTripper].
func (w *retrying) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		// Who sends something knows how to send it again.
		return w.once(request)
	}
	var response *http.Response
	began, attempt := time.Now(), 0
	err := w.retry.Do(request.Context(), request.Method+" "+request.URL.Path, func() (err error) {
		attempt++
		response, err = w.once(request) //nolint:bodyclose // closed below, or by the caller
		if err != nil {
			if _, there := w.answered.Load(request.URL.Host); !there && (attempt >= maxUnanswered || time.Since(began) > longUnanswered) {
				return absent{err}
			}
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
	w.answered.Store(request.URL.Host, true)
	// Small answers are read here, so that one that breaks off is asked for again; an image's
	// configuration is a small blob.
	if long := response.ContentLength < 0 || response.ContentLength > maxAtOnce; ForBlob(request) && long {
		if request.Method == http.MethodGet && response.StatusCode == http.StatusOK && !response.Uncompressed {
			response.Body = &unbroken{ReadCloser: response.Body, transport: w, request: request, size: response.ContentLength}
		}
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
}
