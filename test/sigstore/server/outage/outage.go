// Package outage puts a gate before each server, which can be told to be out of
// order: so tests show that an outage is ridden out.
package outage

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Mode is how a server is out of order.
type Mode string

// The modes: an answer that asks to try again, and none at all.
const (
	Unavailable Mode = "503"
	Reset       Mode = "reset"
)

// Gate passes requests on, except during an outage.
type Gate struct {
	next http.Handler

	mu       sync.Mutex
	mode     Mode
	left     int       // requests that will fail
	until    time.Time // and the time until which all do
	requests int
	failed   int
}

// NewGate passes requests on to the handler.
func NewGate(next http.Handler) *Gate { return &Gate{next: next} }

// Fail makes the next n requests fail, and all within the duration; zero of both
// ends an outage.
func (g *Gate) Fail(mode Mode, n int, d time.Duration) error {
	if mode != Unavailable && mode != Reset {
		return fmt.Errorf("mode %q is unknown: want %s or %s", mode, Unavailable, Reset)
	}
	if n < 0 || d < 0 {
		return fmt.Errorf("%d requests, %s: want none or more", n, d)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode, g.left, g.until = mode, n, time.Now().Add(d)
	return nil
}

// Count says how many requests came, and how many of them failed here.
func (g *Gate) Count() (requests, failed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.requests, g.failed
}

func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch mode, failing := g.admit(); {
	case !failing:
		g.next.ServeHTTP(w, r)
	case mode == Reset:
		reset(w)
	default:
		http.Error(w, "out of order, on purpose", http.StatusServiceUnavailable)
	}
}

func (g *Gate) admit() (Mode, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests++
	failing := g.left > 0 || time.Now().Before(g.until)
	if failing {
		g.failed++
		g.left = max(g.left-1, 0)
	}
	return g.mode, failing
}

// reset closes the connection so that the client reads ECONNRESET.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}
