package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// promptTime is how long a line may lack its end, as a question to a person does.
	promptTime = 200 * time.Millisecond
	// strayTime bounds the wait for what is under way at the end: a child process may
	// outlive its parent and hold the pipe.
	strayTime = 100 * time.Millisecond
	// maxStray bounds a line, in bytes.
	maxStray = 64 << 10
)

// catchStrays makes the process's standard error a pipe into the console's guarded
// one. client-go gives it to the credential programs of a kubeconfig and offers no
// other, and libraries write to it without asking: nothing of that may reach the log
// with secrets or workflow commands in it. The console itself writes to what it was
// given. release puts everything back.
func (c *console) catchStrays(stderr io.Writer) (release func()) {
	own, isFile := stderr.(*os.File)
	if !isFile || own != os.Stderr {
		return func() {} // a buffer, in a test
	}
	from, to, err := os.Pipe()
	if err != nil {
		c.log.Warn("what programs of a kubeconfig write goes past the log", "error", err)
		return func() {}
	}
	os.Stderr = to
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := record.Guard(func() error { return relay(c.out, from) }); err != nil {
			c.log.Warn("reading what other programs write", "error", err)
		}
	}()
	return func() {
		os.Stderr = own
		_ = to.Close()
		select {
		case <-ended:
		case <-time.After(strayTime):
		}
	}
}

// relay passes on whole lines, so that no secret is cut in two, and what waits for an
// answer.
func relay(to io.Writer, from *os.File) error {
	var pending []byte
	chunk := make([]byte, 4096)
	for {
		var until time.Time
		if len(pending) > 0 {
			until = time.Now().Add(promptTime)
		}
		// Where a pipe knows no deadline, a line without an end waits for it.
		_ = from.SetReadDeadline(until)
		n, err := from.Read(chunk)
		pending = append(pending, chunk[:n]...)
		whole := bytes.LastIndexByte(pending, '\n') + 1
		if len(pending) > 0 && whole < len(pending) && (err != nil || len(pending) > maxStray) {
			pending = append(pending, '\n')
			whole = len(pending)
		}
		if whole > 0 {
			if _, err := to.Write(pending[:whole]); err != nil {
				return err
			}
			pending = pending[whole:]
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), err == nil:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

// staying makes a library's wish to end the process a panic, which becomes an error
// with record and outputs where it happens.
func staying() {
	logrus.StandardLogger().ExitFunc = func(code int) { panic(fmt.Sprintf("a library wants to end the process with code %d", code)) }
}
