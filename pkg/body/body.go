// Package body holds what is done around the bodies of HTTP answers.
package body

import "io"

// OnClose gives a body that calls done once it was closed: what belongs to an answer
// is freed when it was read.
func OnClose(body io.ReadCloser, done func()) io.ReadCloser { return closing{body, done} }

type closing struct {
	io.ReadCloser
	done func()
}

// Close closes the body, then calls done.
func (c closing) Close() error {
	defer c.done()
	return c.ReadCloser.Close()
}
