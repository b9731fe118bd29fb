package registry

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// slowest is the rate, in bytes per second of waiting, below which an answer counts
// as one that does not come.
const slowest = 1 << 10

// body fails, rather than ends, when an answer is too long, and when it comes so
// slowly that it seems to be held back. The time between two calls of Read does not count.
type body struct {
	io.ReadCloser
	limit, left int64
	stall       time.Duration

	waited time.Duration // since came was zero
	came   int64
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(start)
	b.came += int64(n)
	if b.left -= int64(n); b.left < 0 {
		return 0, final{fmt.Errorf("reading the registry's answer: it is too long: longer than %d bytes", b.limit)}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = lost{err}
	}
	if b.waited < b.stall {
		return n, err
	}
	if came := b.came; err == nil && came < int64(b.waited.Seconds()*slowest) {
		return n, final{fmt.Errorf("reading the registry's answer: only %d bytes came in %s", came, b.waited.Round(time.Second))}
	}
	b.waited, b.came = 0, 0
	return n, err
}

// movingConn fails when nothing can be read or written for a while.
type movingConn struct {
	net.Conn
	stall time.Duration
}

// Read implements [net.Conn].
func (c *movingConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

// Write implements [net.Conn].
func (c *movingConn) Write(p []byte) (int, error) {
	now := time.Now()
	// The other side answers after it has read: sending is moving, too.
	if err := errors.Join(c.SetWriteDeadline(now.Add(c.stall)), c.SetReadDeadline(now.Add(c.stall))); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

func (c *movingConn) explain(err error) error {
	var timeout net.Error
	if err != nil && errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("nothing moved for %s: %w", c.stall, err)
	}
	return err
}
