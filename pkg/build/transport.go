package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const (
	smallTimeout = 2 * time.Minute // for requests that move no layers
	// stalled ends a connection on which nothing moves, so that the request can be
	// tried on another one. Registries that keep blobs elsewhere take a while to
	// answer the last request of a large upload.
	stalled = 2 * time.Minute
	// Manifests, tokens and lists of a well-behaved registry stay far below.
	maxAnswer = 16 << 20
	// maxBlob bounds one layer that passes through, in bytes.
	maxBlob    = 16 << 30
	maxProblem = 64 << 10 // bytes of an answer that tells about a problem
	maxText    = 500      // characters of a foreign message
)

var (
	errTooLong = errors.New("reading the registry's answer: it is too long")
	errDamaged = errors.New("the bytes are not those of the digest")
)

// wire is the transport of all requests. It tries reading requests again, and
// bounds what a registry can make us read.
type wire struct {
	next  http.RoundTripper
	retry *retrier
}

func newWire(retry *retrier, stall time.Duration) *wire {
	next := remote.DefaultTransport.(*http.Transport).Clone()
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	next.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &movingConn{Conn: conn, stall: stall}, nil
	}
	return &wire{next: next, retry: retry}
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
	// Blobs are often served by another host, after a redirect.
	if strings.Contains(request.URL.Path, "/blobs/") || request.Response != nil {
		response.Body = &limitedBody{body: response.Body, left: maxBlob}
		return response, nil
	}
	// Small answers are read here, so that one that breaks off is asked for again.
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(&limitedBody{body: response.Body, left: maxAnswer})
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, nil
}

// limitedBody fails, rather than ends, when a body is too long.
type limitedBody struct {
	body io.ReadCloser
	left int64
}

func (l *limitedBody) Read(p []byte) (int, error) {
	n, err := l.body.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

func (l *limitedBody) Close() error { return l.body.Close() }

// movingConn fails when nothing can be read or written for a while.
type movingConn struct {
	net.Conn
	stall time.Duration
}

func (c *movingConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

func (c *movingConn) Write(p []byte) (int, error) {
	now := time.Now()
	// The other side answers after it has read: sending is moving, too.
	if err := errors.Join(c.SetWriteDeadline(now.Add(c.stall)), c.SetReadDeadline(now.Add(c.stall))); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

func (c *movingConn) explain(err error) error {
	var timeout net.Error
	if err != nil && errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("nothing moved for %s: %w", c.stall, err)
	}
	return err
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
