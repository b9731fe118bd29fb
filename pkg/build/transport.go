package build

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	smallTimeout = 2 * time.Minute // for requests that move no layers
	// Manifests, tokens and lists of a well-behaved registry stay far below.
	maxAnswer = 16 << 20
	// maxBlob bounds one layer of the base image that passes through, in bytes.
	maxBlob = 16 << 30
	maxText = 500 // characters of a foreign message
)

// uploads is a transport that notes which blobs were really sent, and bounds
// what a registry can make us read.
type uploads struct {
	next http.RoundTripper
	mu   sync.Mutex
	sent map[string]bool
}

// RoundTrip implements [http.RoundTripper].
func (u *uploads) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := u.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	// An upload ends with PUT …/blobs/uploads/ID?digest=…; a mounted or known blob
	// never gets there.
	digest := request.URL.Query().Get("digest")
	if request.Method == http.MethodPut && digest != "" && response.StatusCode == http.StatusCreated {
		u.mu.Lock()
		u.sent[digest] = true
		u.mu.Unlock()
	}
	limit := int64(maxAnswer)
	// Blobs are often served by another host, after a redirect.
	if strings.Contains(request.URL.Path, "/blobs/") || request.Response != nil {
		limit = maxBlob
	}
	response.Body = &limitedBody{body: response.Body, left: limit}
	return response, nil
}

func (u *uploads) has(digest string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent[digest]
}

// limitedBody fails, rather than ends, when a body is too long.
type limitedBody struct {
	body io.ReadCloser
	left int64
}

func (l *limitedBody) Read(p []byte) (int, error) {
	n, err := l.body.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("reading the registry's answer: it is too long")
	}
	return n, err
}

func (l *limitedBody) Close() error { return l.body.Close() }

// bounded shows at most maxText characters of a foreign message, on one line.
type bounded struct{ error }

func (b bounded) Error() string {
	text := []rune(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, b.error.Error()))
	if len(text) > maxText {
		return string(text[:maxText]) + "…"
	}
	return string(text)
}

func (b bounded) Unwrap() error { return b.error }
