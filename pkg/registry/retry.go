package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stagecrew/stagecrew/pkg/retry"
)

// DefaultAttempts is how often a request is tried where nothing says how often: not all
// commands have --push-attempts, whose default it is.
const DefaultAttempts = 8

// The zero value of a [retry.Policy] rides out a minute here.
func withDefaults(p retry.Policy) retry.Policy {
	return retry.Policy{
		Attempts: cmp.Or(p.Attempts, DefaultAttempts),
		First:    cmp.Or(p.First, 500*time.Millisecond),
		Longest:  cmp.Or(p.Longest, 30*time.Second),
	}
}

// Retrier tries again what a registry did not answer well, and counts how often.
type Retrier struct {
	policy retry.Policy
	log    *slog.Logger
	count  atomic.Int64
}

// Count is how many requests were tried again.
func (r *Retrier) Count() int { return int(r.count.Load()) }

// Do calls try as the policy says; what is the request in the log.
func (r *Retrier) Do(ctx context.Context, what string, try func() error) error {
	return r.DoIf(ctx, what, isTemporary, try)
}

// DoIf is Do with another rule for which errors may pass.
func (r *Retrier) DoIf(ctx context.Context, what string, temporary func(error) bool, try func() error) error {
	return retry.Do(ctx, r.policy, r.hooks(what, temporary), try)
}

// WhileMoving is Do for a transfer that may come nearer to its end with each attempt,
// see [retry.WhileMoving].
func (r *Retrier) WhileMoving(ctx context.Context, what string, try func() (reached int64, err error)) error {
	return retry.WhileMoving(ctx, r.policy, r.hooks(what, isTemporary), try)
}

func (r *Retrier) hooks(what string, temporary func(error) bool) retry.Hooks {
	return retry.Hooks{Temporary: temporary, Waiting: func(attempt int, wait time.Duration, cause error) {
		r.count.Add(1)
		r.log.Warn("a registry's answer was not usable, trying again", "request", what, "attempt", attempt, "wait", wait.Round(time.Millisecond), "cause", Shown(cause))
	}}
}

// Check turns an answer with none of the wanted codes into an error.
func Check(response *http.Response, codes ...int) error {
	err := transport.CheckError(response, codes...)
	if err == nil {
		return nil
	}
	seconds, parsed := strconv.Atoi(response.Header.Get("Retry-After"))
	if parsed == nil && seconds > 0 {
		return retry.NewAfter(err, time.Duration(seconds)*time.Second)
	}
	return err
}

// Temporary are the statuses that another attempt may not meet; 499 is nginx's for
// a client that went away, 52x are Cloudflare's.
var Temporary = map[int]bool{
	http.StatusRequestTimeout: true, http.StatusTooEarly: true, http.StatusTooManyRequests: true,
	http.StatusInternalServerError: true, http.StatusBadGateway: true,
	http.StatusServiceUnavailable: true, http.StatusGatewayTimeout: true,
	499: true, 520: true, 521: true, 522: true, 523: true, 524: true,
}

// isTemporary reports whether another attempt makes sense.
func isTemporary(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || Final(err) || is[absent](err) {
		return false
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		return Temporary[answer.StatusCode] || UploadLost(err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, errDamaged) {
		return true
	}
	return isTemporaryConnection(err)
}

func isTemporaryConnection(err error) bool {
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
	return errors.As(err, &network) || errors.As(err, &request) || is[lost](err)
}
