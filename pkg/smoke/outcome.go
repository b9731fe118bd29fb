package smoke

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// outcome is what one request says about the application.
type outcome int

const (
	nothing outcome = iota // not asked yet, or cut short
	passed
	wrong   // an answer, and not the expected one
	silent  // no answer from a target that may be closed from here
	waiting // nothing, and asking again later may help
	barred  // nothing, and asking again will not help
)

// weigh tells what an error of a request says about the application.
func (r runner) weigh(err error) outcome {
	var slowDown throttled
	var unanswered noAnswer
	var unfilled notFilled
	switch {
	case err == nil:
		return passed
	case errors.As(err, &unfilled):
		return barred
	case errors.As(err, &slowDown):
		return waiting
	case record.KindOf(err) == record.KindUnavailable:
		return waiting
	case record.KindOf(err) != record.KindUnknown: // no permission for the way there, say
		return barred
	case r.target.Kind == record.TargetPublic && errors.As(err, &unanswered):
		return silent
	}
	return wrong
}

// noAnswer is the error of a request to which nothing came back.
type noAnswer struct{ err error }

// Error leaves out the method and the URL that net/http puts before its errors.
func (n noAnswer) Error() string { return n.err.Error() }
func (n noAnswer) Unwrap() error { return n.err }

// unanswered makes the error of a request without a response. A certificate that
// does not hold and a redirect that leads astray came from the target: they are
// answers, and bad ones.
func unanswered(err error, within time.Duration) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var certificate *tls.CertificateVerificationError
	var astray badRedirect
	switch {
	case errors.As(err, &certificate):
		return err
	case errors.As(err, &astray):
		return astray
	case isTimeout(err) && record.KindOf(err) == record.KindUnknown:
		return noAnswer{fmt.Errorf("no answer within %s", within)}
	}
	return noAnswer{err}
}

func isTimeout(err error) bool {
	var timed interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timed) && timed.Timeout()
}

// badRedirect is a redirect that is not followed.
type badRedirect string

func (b badRedirect) Error() string { return string(b) }

// notFilled names the placeholders of a check that were not filled in.
type notFilled []string

func (n notFilled) Error() string { return strings.Join(n, ", ") + " was not filled in" }

// throttled is the answer of a target that protects itself from us.
type throttled struct{ after time.Duration } // 0 when it does not say

func (t throttled) Error() string {
	if t.after == 0 {
		return "status 429, too many requests"
	}
	return fmt.Sprintf("status 429, too many requests; the next is welcome in %s", t.after.Round(time.Second))
}

func tooMany(header http.Header) throttled {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return throttled{time.Duration(seconds) * time.Second}
	}
	if at, err := http.ParseTime(text); err == nil {
		return throttled{max(0, time.Until(at))}
	}
	return throttled{}
}
