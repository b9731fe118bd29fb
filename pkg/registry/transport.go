// Package registry is how image registries are asked, by every stage that asks one:
// with which credentials, how often again, what an error means, and which image a
// reference leads to. Requests go encrypted, unless the registry was named as one that
// is not; through few redirects; over connections on which something moves; and with
// answers of bounded length.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// Stall ends a connection on which nothing moves. Registries that keep blobs
	// elsewhere take a while to answer the last request of a large upload.
	Stall = 2 * time.Minute
	// MaxAnswer bounds manifests, tokens and lists, in bytes; those of a well-behaved
	// registry stay far below.
	MaxAnswer = 16 << 20
	// MaxBlob bounds one layer, in bytes.
	MaxBlob = 16 << 30
	// maxRedirects is as of Go's own client, whose limit the registry libraries replace.
	maxRedirects = 10
)

// TransportOptions of a transport. The zero value has the limits above and trusts encrypted
// connections only.
type TransportOptions struct {
	// Insecure names registries, as HOST or HOST:PORT, that may be asked without
	// encryption. Credentials go there in clear text.
	Insecure []string
	// Stall, MaxAnswer and MaxBlob replace the constants of these names.
	Stall              time.Duration
	MaxAnswer, MaxBlob int64
}

// final is an error that another attempt meets again.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// Final reports whether err came from a rule of this package, so that asking again
// is of no use.
func Final(err error) bool {
	var rule final
	return errors.As(err, &rule)
}

// lost is the error of a connection, whose type may not be exported: HTTP/2 has its own.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

// Transport implements [http.RoundTripper].
type Transport struct {
	next    *http.Transport
	options TransportOptions
	// encrypted are the hosts that answered over https, with their ports and without.
	encrypted sync.Map
}

// NewTransport gives a transport with connections of its own.
func NewTransport(o TransportOptions) *Transport {
	if o.Stall == 0 {
		o.Stall = Stall
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = MaxAnswer
	}
	if o.MaxBlob == 0 {
		o.MaxBlob = MaxBlob
	}
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return &Transport{options: o, next: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: throughProxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &movingConn{Conn: conn, stall: o.Stall}, nil
		},
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   50,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "https" && !t.mayBeOpen(request) {
		return nil, final{t.inTheOpen(request.URL)}
	}
	first, hops := origin(request)
	if hops > maxRedirects {
		return nil, final{fmt.Errorf("the registry %s redirects more than %d times", first.URL.Host, maxRedirects)}
	}
	response, err := t.one(request)
	if err != nil {
		return nil, err
	}
	if hasNoList(request, response) {
		response.StatusCode = http.StatusNotFound // the libraries know this way to say it
		return response, nil
	}
	if isWebPage(request, response) {
		_ = response.Body.Close()
		return nil, final{fmt.Errorf("the registry %s answers with a web page in place of what was asked for: check the name of the host, and whether a login page or a proxy stands before it", first.URL.Host)}
	}
	if err := mendType(request, response); err != nil {
		return nil, err
	}
	if inPages(request, response) {
		return t.allPages(request, response)
	}
	return response, nil
}

// one gives the answer to a single request, of bounded length.
func (t *Transport) one(request *http.Request) (*http.Response, error) {
	request, err := fromItsBeginning(request)
	if err != nil {
		return nil, err
	}
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, lost{err}
	}
	if request.URL.Scheme == "https" {
		t.encrypted.Store(request.URL.Host, true)
		t.encrypted.Store(request.URL.Hostname(), true)
	}
	limit := t.options.MaxAnswer
	if ForBlob(request) {
		limit = t.options.MaxBlob
	}
	response.Body = &body{ReadCloser: response.Body, limit: limit, left: limit, stall: t.options.Stall}
	return response, nil
}

// fromItsBeginning is a request whose body is sent from its beginning. After a token has
// ended the libraries log in anew and send the same request again, with what is left of
// its body. One that is costly to open says itself whether it is begun: an answer may come
// before anything of it was read, and what sent it still holds it.
func fromItsBeginning(request *http.Request) (*http.Request, error) {
	if body, ok := request.Body.(interface{ Begin() bool }); request.GetBody == nil || ok && body.Begin() {
		return request, nil
	}
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	if request.Body != nil {
		_ = request.Body.Close()
	}
	again := *request
	again.Body = body
	return &again, nil
}

// mayBeOpen reports whether a host may be asked without encryption. Whatever is on
// the way there may change the answer, so that a redirect to a third host is no reason.
func (t *Transport) mayBeOpen(request *http.Request) bool {
	return slices.ContainsFunc(t.options.Insecure, func(host string) bool {
		return strings.EqualFold(host, request.URL.Host) || strings.EqualFold(host, request.URL.Hostname())
	})
}

// ForBlob reports whether a request, or the one whose answer redirected to it, is
// for a blob, which may be long.
func ForBlob(request *http.Request) bool {
	first, _ := origin(request)
	return strings.Contains(first.URL.Path, "/blobs/")
}

// origin is the request at the beginning of a chain of redirects, and its length.
func origin(request *http.Request) (first *http.Request, hops int) {
	for request.Response != nil && request.Response.Request != nil && hops <= maxRedirects {
		request, hops = request.Response.Request, hops+1
	}
	return request, hops
}
