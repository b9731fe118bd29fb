package smoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxBody      = 1 << 20 // bytes of an answer that is looked into
	maxRedirects = 5
)

// newClient makes the client of one check: a redirect may leave neither the check nor the host.
func (r runner) newClient(c Check) *http.Client {
	return &http.Client{
		Transport: r.target.Transport,
		Timeout:   r.timeout(),
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			switch {
			case !c.FollowRedirects:
				return http.ErrUseLastResponse
			case next.URL.Host != before[0].URL.Host:
				return errors.New("the answer redirects to another host")
			case len(before) > maxRedirects:
				return fmt.Errorf("the answer redirects more than %d times", maxRedirects)
			}
			return nil
		},
	}
}

// fetch sends a check's request to an address of the target and gives the answer.
// The caller closes its body.
func (r runner) fetch(ctx context.Context, c Check, address string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, c.Method, address, strings.NewReader(c.Body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "stagecrew-smoke")
	for name, value := range c.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	response, err := r.newClient(c).Do(request)
	if err != nil {
		return nil, noAnswer{err}
	}
	return response, nil
}

// readAll reads a whole answer, up to the limit.
func readAll(response *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, noAnswer{fmt.Errorf("reading the answer: %w", err)}
	}
	return body, nil
}

// noAnswer is the error of a request that got no whole answer.
type noAnswer struct{ err error }

// Error leaves out the method and the URL that net/http puts before its errors.
func (n noAnswer) Error() string {
	var wrapped *url.Error
	if !errors.As(n.err, &wrapped) {
		return n.err.Error()
	}
	if wrapped.Timeout() {
		return "no answer in time: " + wrapped.Err.Error()
	}
	return wrapped.Err.Error()
}

func (n noAnswer) Unwrap() error { return n.err }

// errTooMany is the answer of a target that protects itself from us.
var errTooMany = errors.New("status 429, too many requests")
