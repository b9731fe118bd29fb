package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// unbroken is a long answer. Where it breaks off, what is missing is asked for, as often
// as the policy says for each time that something came.
type unbroken struct {
	io.ReadCloser
	transport *retrying
	request   *http.Request
	at        int64 // bytes that were read
	size      int64 // of all, below zero when it is not known
	broke     error // why there is no more of this answer
}

// Read implements [io.Reader].
func (u *unbroken) Read(p []byte) (int, error) {
	if u.broke == nil {
		if n, err := u.once(p); n > 0 || u.broke == nil {
			return n, err
		}
	}
	n, first := 0, true
	err := u.transport.retry.DoIf(u.request.Context(), "rest of "+u.request.URL.Path, u.brokeOff, func() (err error) {
		if first { // that was an attempt, too
			first = false
			return u.broke
		}
		if err = u.reopen(); err == nil {
			n, err = u.once(p)
		}
		return err
	})
	return n, err
}

// once reads, and keeps the error of an answer that breaks off for the next time when
// something came before it.
func (u *unbroken) once(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.at += int64(n)
	if u.broke = nil; err != nil && u.brokeOff(err) {
		u.broke = err
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

// brokeOff tells an answer that did not come to its end from one that may not go on.
func (u *unbroken) brokeOff(err error) bool {
	return !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !Final(err)
}

// reopen asks for the rest. Where the registry has no parts, all comes again.
func (u *unbroken) reopen() error {
	response, err := u.ask(u.part())
	if err == nil && response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		_ = response.Body.Close()
		response, err = u.ask("")
	}
	if err != nil {
		return err
	}
	switch {
	case response.StatusCode == http.StatusOK:
		_, err = io.CopyN(io.Discard, response.Body, u.at)
	case response.StatusCode == http.StatusPartialContent && strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", u.at)):
	case Temporary[response.StatusCode]:
		err = Check(response, http.StatusOK)
	default:
		err = final{fmt.Errorf("an answer broke off after %d bytes, and the registry answers %s when it is asked for the rest", u.at, response.Status)}
	}
	if err != nil {
		return errors.Join(err, response.Body.Close())
	}
	_ = u.Close()
	u.ReadCloser = response.Body
	return nil
}

func (u *unbroken) ask(part string) (*http.Response, error) {
	request := u.request.Clone(u.request.Context())
	if part != "" {
		request.Header.Set("Range", part)
	}
	return u.transport.next.RoundTrip(request)
}

// part is what is missing, to its end where that is known: some registries want it so.
func (u *unbroken) part() string {
	if u.size > 0 {
		return fmt.Sprintf("bytes=%d-%d", u.at, u.size-1)
	}
	return fmt.Sprintf("bytes=%d-", u.at)
}
