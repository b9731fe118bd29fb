package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/stagecrew/stagecrew/pkg/retry"
)

const (
	// unsaid is how long an outage is not worth a word, and tellAgain how often the
	// wait is told after that.
	unsaid, tellAgain = time.Second / 2, 5 * time.Second
	// maxRefused bounds what is read of an answer that is asked for again.
	maxRefused = 1 << 20
)

// pauses are those between two attempts.
var pauses = retry.Policy{First: 100 * time.Millisecond, Longest: 2 * time.Second}

// patient is the one patience for the API server: all requests of a [Cluster] pass
// it, whoever sends them, and those that a restart of the API server broke are sent
// again where that is safe. Requests to the application do not.
type patient struct {
	log   *slog.Logger
	limit time.Duration

	mu   sync.Mutex
	away time.Time // since when there is no answer, zero while there is
	told time.Time // when that was said last, zero for not yet

	webhookSince, webhookLast time.Time // of an admission webhook that cannot be called
}

// Patience wraps a transport to an API server: its requests are repeated for that
// long, 0 is not at all, and log is told when that takes time; it may be nil.
func Patience(log *slog.Logger, limit time.Duration) func(http.RoundTripper) http.RoundTripper {
	return newPatient(log, limit).wrap
}

func newPatient(log *slog.Logger, limit time.Duration) *patient {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &patient{log: log, limit: limit}
}

func (p *patient) wrap(next http.RoundTripper) http.RoundTripper { return patientTransport{p, next} }

type patientTransport struct {
	*patient
	next http.RoundTripper
}

// RoundTrip repeats the request until it was answered or patience ends.
func (t patientTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, deadline, wait := request.Context(), time.Now().Add(t.limit), pauses.Waits()
	webhook := false
	for {
		response, err := t.next.RoundTrip(request)
		if err == nil && !outOfOrder(response) {
			t.answered()
		}
		until, repeat := deadline, again(request, response, err)
		switch failed := err == nil && couldNotCall(response); {
		case failed:
			webhook, repeat, until = true, true, t.webhookFailed()
		case webhook && err == nil:
			t.webhookAnswers()
		}
		left := time.Until(until)
		if ctx.Err() != nil || !repeat || left <= 0 {
			return response, err
		}
		body, bodyErr := rewound(request)
		if bodyErr != nil {
			return response, err
		}
		t.waiting(request, response, err, until)
		if response != nil {
			_, _ = io.CopyN(io.Discard, response.Body, maxRefused)
			_ = response.Body.Close()
		}
		if retry.Sleep(ctx, min(wait(), left)) != nil { // once more when patience ends
			return nil, context.Cause(ctx)
		}
		request = request.Clone(ctx)
		request.Body = body
	}
}

// waiting tells now and then why nothing happens.
func (p *patient) waiting(request *http.Request, response *http.Response, err error, deadline time.Time) {
	why := "no answer"
	if err != nil {
		why = err.Error()
	} else if response != nil {
		why = response.Status
	}
	p.log.Debug("the API server did not answer; asking again", "method", request.Method, "path", request.URL.Path, "why", why)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.away.IsZero() {
		p.away = now
	}
	if now.Sub(p.away) < unsaid || now.Sub(p.told) < tellAgain {
		return
	}
	p.told = now
	p.log.Info(fmt.Sprintf("waiting for the API server: %s (retrying until %s)", why, deadline.Format(time.TimeOnly)))
}

// answered ends an outage.
func (p *patient) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.told.IsZero() {
		p.log.Info("the API server answers again", "after", time.Since(p.away).Round(time.Second).String())
	}
	p.away, p.told = time.Time{}, time.Time{}
}

var errNoReplay = errors.New("the body cannot be sent twice")

// rewound gives the body for one more attempt.
func rewound(request *http.Request) (io.ReadCloser, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return request.Body, nil
	}
	if request.GetBody == nil {
		return nil, errNoReplay
	}
	return request.GetBody()
}

// again reports whether the request can be repeated without doing its work twice.
// What creates is repeated only when no connection was made.
func again(request *http.Request, response *http.Response, err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return false
	}
	if errors.As(err, &dial) && dial.Op == "dial" {
		return true
	}
	if request.Method == http.MethodPost {
		return false
	}
	if err != nil {
		return utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || utilnet.IsHTTP2ConnectionLost(err)
	}
	return outOfOrder(response)
}

// outOfOrder tells an API server in trouble from one that has answered. With a
// Retry-After client-go repeats the request itself.
func outOfOrder(response *http.Response) bool {
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return response.Header.Get("Retry-After") == ""
	}
	return false
}
