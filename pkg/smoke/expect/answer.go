package expect

import (
	"context"
	"net/http"
	"time"
)

// MaxBody is how much of an answer is looked into, in bytes.
const MaxBody = 1 << 20

// Answer is a response whose body was read, as far as it goes.
type Answer struct {
	Status  int
	Header  http.Header
	Body    []byte // at most maxBody of it
	Over    bool   // the body goes on behind that
	Latency time.Duration
	Broken  error // why the body is not whole, nil when it is
	// Show opens the page in a browser; without it no browser is at hand.
	Show func(ctx context.Context, b Browser) (Page, error)
}
