// Package pipe is the network of tests: connections within one process, without ports. A
// goroutine that waits on one waits durably, so servers and clients work within synctest.
package pipe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Server serves what is dialled by it, and nothing else. It ends with the test.
type Server struct {
	*httptest.Server
	ends *ends
}

// Serve starts a server.
func Serve(t testing.TB, handler http.Handler) *Server {
	t.Helper()
	ends := &ends{made: make(chan net.Conn), closed: make(chan struct{})}
	s := &Server{&httptest.Server{Listener: ends, Config: &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}}, ends}
	s.Start()
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s
}

// Dial connects with the server, whatever the address.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case s.ends.made <- there:
		return here, nil
	case <-s.ends.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ends are the server's ends of the connections.
type ends struct {
	made   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept gives the next one.
func (e *ends) Accept() (net.Conn, error) {
	select {
	case c := <-e.made:
		return c, nil
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close lets no further one be made.
func (e *ends) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

// Addr is the server's name in its URL.
func (e *ends) Addr() net.Addr { return address("server.test") }

type address string

// Network and String make it an address.
func (address) Network() string  { return "pipe" }
func (a address) String() string { return string(a) }
