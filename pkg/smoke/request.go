package smoke

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

const (
	maxAsset     = 32 << 20
	maxHeader    = 1 << 20
	maxRedirects = 5
)

// session is one attempt of one check. Its page and assets share a connection, and
// no other attempt does, so that each may reach another backend, and a new one.
type session struct {
	check   checks.Check
	timeout time.Duration
	client  *http.Client
	close   func()
}

func (r runner) open(c checks.Check) session {
	s := session{check: c, timeout: r.suite.Timeout, close: func() {}}
	transport := r.target.Transport
	if transport == nil {
		own := &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: maxHeader,
			DisableKeepAlives: !c.Assets && c.All.Browser() == nil,
		}
		transport, s.close = own, own.CloseIdleConnections
	}
	s.client = &http.Client{Transport: transport, Timeout: s.timeout, CheckRedirect: s.redirect}
	return s
}

// redirect lets a request leave neither the check nor the host, nor encryption.
func (s session) redirect(next *http.Request, before []*http.Request) error {
	from, to := before[len(before)-1].URL, next.URL
	switch {
	case !s.check.FollowRedirects:
		return http.ErrUseLastResponse
	case host(to) != host(from) && !isUpgrade(from, to):
		return badRedirect(fmt.Sprintf("the answer redirects to another host, %s", to.Host))
	case from.Scheme == "https" && to.Scheme != "https":
		return badRedirect("the answer redirects from https to " + to.Scheme)
	case len(before) > maxRedirects:
		return badRedirect(fmt.Sprintf("the answer redirects more than %d times", maxRedirects))
	}
	return nil
}

// isUpgrade reports whether a redirect leads from plain HTTP to HTTPS of the same name.
func isUpgrade(from, to *url.URL) bool {
	return from.Scheme == "http" && to.Scheme == "https" && host(&url.URL{Scheme: "https", Host: from.Hostname()}) == host(to) && from.Port() == ""
}

// host is where a URL leads, with its port.
func host(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// fetched is an answer, and where it came from.
type fetched struct {
	expect.Answer
	url  *url.URL // after redirects
	size int64    // of the body, decompressed
}

// fetch sends a check's request to an address and reads the answer; keep says
// whether its body is wanted. An error means that there is none.
func (s session) fetch(ctx context.Context, method, address, text string, limit int64, keep bool) (fetched, error) {
	request, err := http.NewRequest(method, address, strings.NewReader(text)) //nolint:noctx // answered sets it
	if err != nil {
		return fetched{}, err
	}
	s.dress(request)
	return s.answered(ctx, request, limit, keep)
}

// dress gives a request the headers of its check.
func (s session) dress(request *http.Request) {
	// Asked for here and not by the transport, the header of the answer stays as it is.
	request.Header.Set("Accept-Encoding", "gzip")
	request.Header.Set("User-Agent", "stagecrew-smoke")
	for name, value := range s.check.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
}

// answered sends a request and reads the answer.
func (s session) answered(ctx context.Context, request *http.Request, limit int64, keep bool) (fetched, error) {
	clock := &stopwatch{began: time.Now()}
	request = request.WithContext(clock.trace(ctx))
	response, err := s.client.Do(request)
	if err != nil {
		return fetched{}, unanswered(err, s.timeout)
	}
	defer func() { _ = response.Body.Close() }()
	clock.note(&clock.last)
	response.Body = clock.timed(response.Body)
	a := fetched{Answer: expect.Answer{Status: response.StatusCode, Header: response.Header}, url: response.Request.URL}
	var kept bytes.Buffer
	into := io.Discard
	if keep {
		into = &kept
	}
	a.size, err = io.Copy(into, io.LimitReader(plain(response), limit+1))
	a.Latency, a.Body = clock.read(), kept.Bytes()
	if a.Over = a.size > limit; a.Over && keep {
		a.Body = a.Body[:limit]
	}
	a.Broken = s.broken(err, a.size)
	return a, nil
}

// broken says in words why a body is not whole.
func (s session) broken(err error, size int64) error {
	switch {
	case err == nil || record.KindOf(err) != record.KindUnknown:
		return err // nothing, or trouble on the way
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the answer breaks off after %d bytes", size)
	case isTimeout(err):
		return fmt.Errorf("the answer was not whole within %s; %d bytes had come", s.timeout, size)
	}
	return fmt.Errorf("reading the answer: %w", err)
}

// plain gives the body without its compression.
func plain(response *http.Response) io.Reader {
	if !strings.EqualFold(response.Header.Get("Content-Encoding"), "gzip") || response.Uncompressed {
		return response.Body
	}
	return &unzip{body: response.Body}
}

// unzip starts at the first read; an empty body is not compressed, whatever its header says.
type unzip struct {
	body io.Reader
	zip  *gzip.Reader
}

func (u *unzip) Read(p []byte) (int, error) {
	if u.zip == nil {
		var err error
		if u.zip, err = gzip.NewReader(u.body); err != nil {
			u.zip = nil
			return 0, err
		}
	}
	return u.zip.Read(p)
}

// stopwatch measures from when the connection stands, because making a
// port-forward is no work of the application's, to the last byte: a tunnel may
// pass on the end of a connection a second later.
type stopwatch struct {
	mu          sync.Mutex
	once        sync.Once
	began, last time.Time
}

func (w *stopwatch) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { w.once.Do(func() { w.note(&w.began) }) },
	})
}

func (w *stopwatch) note(when *time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*when = time.Now()
}

func (w *stopwatch) read() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last.Sub(w.began)
}

func (w *stopwatch) timed(body io.ReadCloser) io.ReadCloser { return timedBody{body, w} }

type timedBody struct {
	io.ReadCloser
	clock *stopwatch
}

func (b timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.clock.note(&b.clock.last)
	}
	return n, err
}
