package release

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// insist repeats the request until it was answered or patience ends.
func (p passage) insist(request *http.Request) (*http.Response, error) {
	ctx, deadline, pause := request.Context(), time.Now().Add(p.patience), firstPause
	for {
		response, err := p.next.RoundTrip(request)
		if ctx.Err() != nil || !again(request, response, err) || time.Now().Add(pause).After(deadline) {
			return response, err
		}
		body, bodyErr := rewound(request)
		if bodyErr != nil {
			return response, err
		}
		p.tell(request, response, err)
		if response != nil {
			_, _ = io.CopyN(io.Discard, response.Body, maxStatus)
			_ = response.Body.Close()
		}
		if sleep(ctx, pause) != nil {
			return nil, context.Cause(ctx)
		}
		request, pause = request.Clone(ctx), min(2*pause, longestPause)
		request.Body = body
	}
}

// tell logs why a request is repeated.
func (p passage) tell(request *http.Request, response *http.Response, err error) {
	why := "no answer"
	if err != nil {
		why = err.Error()
	} else if response != nil {
		why = response.Status
	}
	p.log.Debug("the API server did not answer; asking again", "method", request.Method, "path", request.URL.Path, "why", why)
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

// again tells whether the request can be repeated without doing its work twice.
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
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		// With this header client-go repeats the request itself.
		return response.Header.Get("Retry-After") == ""
	}
	return false
}
