package kube

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

const (
	// webhookPatience is how long what an admission webhook could not be asked about is
	// sent again: one that is busy or changes its pods answers within seconds, and one
	// that is down must be told of soon. It counts for all requests together.
	webhookPatience = 8 * time.Second
	// webhookForgotten is how long after its last failure a webhook is new trouble.
	webhookForgotten = time.Minute
	// maxError bounds what is read of an error to know it.
	maxError = 64 << 10
)

// uncalled are the API server's words for an object that it has not taken, because it
// could not call a webhook (https://github.com/spiffe/spire-controller-manager/issues/389,
// https://github.com/fluxcd/helm-controller/issues/454). Nothing is stored then, so that also
// what creates can be sent again.
var uncalled = []byte("failed calling webhook")

// couldNotCall reports whether an answer is one of those, and leaves it readable.
func couldNotCall(response *http.Response) bool {
	if response == nil || response.StatusCode != http.StatusInternalServerError {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxError))
	rest := io.Reader(bytes.NewReader(text))
	if err == nil {
		rest = io.MultiReader(rest, response.Body)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{rest, response.Body}
	return bytes.Contains(text, uncalled)
}

// webhookFailed says until when it is worth asking again.
func (p *patient) webhookFailed() (until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.webhookSince.IsZero() || now.Sub(p.webhookLast) > webhookForgotten {
		p.webhookSince = now
	}
	p.webhookLast = now
	return p.webhookSince.Add(min(webhookPatience, p.limit))
}

// webhookAnswers ends the trouble.
func (p *patient) webhookAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.webhookSince = time.Time{}
}
