// Package transport is what all requests of one engine pass: they end with the change
// that they belong to, and a plan's writes change nothing.
package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/body"
)

// maxStatus bounds what is read of the API server's refusal of a dry run.
const maxStatus = 1 << 20

// Changes is what all of Helm's requests pass. Helm takes no context; the
// transport ends its requests with the change that they belong to. That requests are
// repeated which an API server's restart broke is the work of whoever gives the kubeconfig.
type Changes struct {
	dry bool

	mu       sync.Mutex
	change   context.Context //nolint:containedctx // Helm passes none: that of the running change, nil between changes
	refusals map[string]metav1.Status
	warnings []Warning
}

// New makes one; with dry every write becomes a server-side dry run.
func New(dry bool) *Changes {
	return &Changes{dry: dry, refusals: map[string]metav1.Status{}}
}

// During makes all requests end with ctx, until [Changes.Free].
func (d *Changes) During(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.change = ctx
}

// Free lets requests take as long as they may.
func (d *Changes) Free() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.change = nil
}

// Refusal gives the API server's answer to the last write to a path that it
// refused. Helm keeps only the words.
func (d *Changes) Refusal(path string) (metav1.Status, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	status, found := d.refusals[path]
	return status, found
}

func (d *Changes) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper{d, next}
}

type roundTripper struct {
	*Changes
	next http.RoundTripper
}

// RoundTrip sends the request.
func (p roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, done := p.bound(request)
	if ctx.Err() != nil {
		done()
		return nil, context.Cause(ctx)
	}
	request = request.Clone(ctx)
	if p.dry {
		if err := dryRun(request); err != nil {
			done()
			return nil, err
		}
	}
	response, err := p.next.RoundTrip(request)
	if err != nil {
		done()
		return nil, err
	}
	switch {
	case !p.dry || request.Method == http.MethodGet:
	case response.StatusCode >= http.StatusBadRequest:
		p.note(request.URL.Path, response)
	default:
		p.warned(response)
	}
	response.Body = body.OnClose(response.Body, done)
	return response, nil
}

// bound makes the request end with the change. A record of Helm's can still be
// read and closed after that: this is how a change that was ended is noted.
func (p roundTripper) bound(request *http.Request) (context.Context, func()) {
	p.mu.Lock()
	change := p.change
	p.mu.Unlock()
	if change == nil || isRecord(request) {
		return request.Context(), func() {}
	}
	ctx, cancel := context.WithCancelCause(request.Context())
	if change.Err() != nil {
		cancel(context.Cause(change))
	}
	stop := context.AfterFunc(change, func() { cancel(context.Cause(change)) })
	return ctx, func() { stop(); cancel(nil) }
}

func isRecord(request *http.Request) bool {
	path := request.URL.Path
	switch request.Method {
	case http.MethodGet:
		return strings.Contains(path, "/secrets/sh.helm.release.v1.") || strings.HasSuffix(path, "/secrets")
	case http.MethodPut:
		return strings.Contains(path, "/secrets/sh.helm.release.v1.")
	}
	return false
}

// dryRun makes a write one that changes nothing.
func dryRun(request *http.Request) error {
	switch request.Method {
	case http.MethodGet:
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		query := request.URL.Query()
		query.Set("dryRun", metav1.DryRunAll)
		request.URL.RawQuery = query.Encode()
	default:
		// The API server ignores the parameter when a deletion has a body.
		return errors.New("a dry run sends no " + request.Method)
	}
	return nil
}

// note remembers a refusal and leaves the response readable.
func (p roundTripper) note(path string, response *http.Response) {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxStatus))
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(text))
	status := metav1.Status{}
	if err != nil || json.Unmarshal(text, &status) != nil || status.Kind != "Status" {
		status = metav1.Status{Code: int32(response.StatusCode), Message: response.Status} // an HTTP status code is small
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals[path] = status
}
