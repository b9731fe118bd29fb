package build

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/registry"
)

// Retry says how a request that a registry did not answer well is tried again.
// The zero value rides out a minute.
type Retry struct {
	// Attempts of each request, the first one included; 8 when zero. A broken
	// upload that moved forward does not count.
	Attempts int
	// First is the wait before the second attempt; each further one is twice as
	// long. 500 ms when zero.
	First time.Duration
	// Longest bounds one wait, also the one that a registry asks for; 30 s when zero.
	Longest time.Duration
}

func (r Retry) withDefaults() Retry {
	if r.Attempts == 0 {
		r.Attempts = 8
	}
	if r.First == 0 {
		r.First = 500 * time.Millisecond
	}
	if r.Longest == 0 {
		r.Longest = 30 * time.Second
	}
	return r
}

// retrier tries again what failed for a reason that passes, and counts it.
type retrier struct {
	policy Retry
	log    *slog.Logger
	count  atomic.Int64
}

// do calls try until it succeeds, fails for good, or the attempts are used up.
func (r *retrier) do(ctx context.Context, what string, try func() error) error {
	return r.whileMoving(ctx, what, func() (int64, error) { return 0, try() })
}

// whileMoving is do for something that can come nearer to its end with each attempt,
// which try tells: the attempts count anew when it did.
func (r *retrier) whileMoving(ctx context.Context, what string, try func() (reached int64, err error)) error {
	for attempt, furthest := 1, int64(0); ; attempt++ {
		reached, err := try()
		if err == nil || !temporary(err) {
			return err
		}
		if reached > furthest {
			attempt, furthest = 1, reached
		}
		if attempt >= r.policy.Attempts {
			if attempt > 1 {
				return fmt.Errorf("trying %d times: %w", attempt, err)
			}
			return err
		}
		if r.wait(ctx, what, attempt, err) != nil {
			return err
		}
	}
}

// wait sleeps before the next attempt. It fails when the context ends first.
func (r *retrier) wait(ctx context.Context, what string, attempt int, cause error) error {
	pause := min(r.policy.First<<min(attempt-1, 20), r.policy.Longest)
	// Half of it is chance, so that parallel uploads do not come back together.
	pause = pause/2 + rand.N(pause/2+1) //nolint:gosec // not a secret
	var asked *askedToWait
	if errors.As(cause, &asked) {
		pause = min(max(pause, asked.wait), r.policy.Longest)
	}
	r.count.Add(1)
	r.log.Warn("a registry's answer was not usable, trying again", "request", what, "attempt", attempt, "wait", pause.Round(time.Millisecond), "cause", bounded{cause})
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// askedToWait is an error with the wait that the registry asked for.
type askedToWait struct {
	error
	wait time.Duration
}

func (a *askedToWait) Unwrap() error { return a.error }

// check turns an answer with none of the wanted codes into an error.
func check(response *http.Response, codes ...int) error {
	err := transport.CheckError(response, codes...)
	if err == nil {
		return nil
	}
	seconds, parsed := strconv.Atoi(response.Header.Get("Retry-After"))
	if parsed == nil && seconds > 0 {
		return &askedToWait{error: err, wait: time.Duration(seconds) * time.Second}
	}
	return err
}

// passing are the statuses that another attempt may not meet; 499 is nginx's for
// a client that went away, 52x are Cloudflare's.
var passing = map[int]bool{
	http.StatusRequestTimeout: true, http.StatusTooEarly: true, http.StatusTooManyRequests: true,
	http.StatusInternalServerError: true, http.StatusBadGateway: true,
	http.StatusServiceUnavailable: true, http.StatusGatewayTimeout: true,
	499: true, 520: true, 521: true, 522: true, 523: true, 524: true,
}

// temporary reports whether another attempt makes sense.
func temporary(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || registry.Final(err) {
		return false
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		return passing[answer.StatusCode] || uploadLost(err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, errDamaged) {
		return true
	}
	return temporaryConnection(err)
}

func temporaryConnection(err error) bool {
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var resolving *net.DNSError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record), errors.As(err, &certificate), errors.As(err, &authority):
		return false
	case errors.As(err, &resolving):
		return !resolving.IsNotFound
	}
	var request *url.Error
	var network net.Error
	return errors.As(err, &network) || errors.As(err, &request)
}

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
