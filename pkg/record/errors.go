package record

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what an error means for the run; the command line maps it to an exit code.
type Kind int

const (
	// KindUnknown means that the error is not classified; reported as "could not tell" (exit 3).
	KindUnknown Kind = iota
	// KindRefused means that a policy or check said no before anything changed (exit 1).
	KindRefused
	// KindInput means that the user's input is wrong (exit 2).
	KindInput
	// KindUnavailable means that a registry, a cluster or GitHub could not be reached or broke (exit 3).
	KindUnavailable
)

// Error is an error with a kind and a stable code such as "sign/no-signature".
// Each code has a heading in docs/errors.md.
type Error struct {
	Kind Kind
	Code string
	Err  error
}

// Error gives the message, with the code in brackets at its end and no other: the
// codes of the errors that it wraps are left out, except where each stands on a
// line of its own.
func (e *Error) Error() string { return MessageOf(e) + " [" + e.Code + "]" }

// MessageOf is the message of an error without its code, and without those of what it
// wraps, except where each stands on a line of its own.
func MessageOf(err error) string {
	if e, ok := err.(*Error); ok { //nolint:errorlint // its own code, the next is a part of the text
		err = e.Err
	}
	text := err.Error()
	if strings.Contains(text, "\n") {
		return text
	}
	for _, code := range codes(err) {
		text = strings.ReplaceAll(text, " ["+code+"]", "")
	}
	return text
}

// codes are those of all errors in a tree.
func codes(err error) (found []string) {
	if e, ok := err.(*Error); ok { //nolint:errorlint // each one of the tree is looked at
		found = append(found, e.Code)
	}
	switch wrapping := err.(type) { //nolint:errorlint // see above
	case interface{ Unwrap() error }:
		if next := wrapping.Unwrap(); next != nil {
			found = append(found, codes(next)...)
		}
	case interface{ Unwrap() []error }:
		for _, next := range wrapping.Unwrap() {
			found = append(found, codes(next)...)
		}
	}
	return found
}

// Unwrap gives the error without its code.
func (e *Error) Unwrap() error { return e.Err }

// Refused makes an error of [KindRefused].
func Refused(code, format string, args ...any) error {
	return &Error{Kind: KindRefused, Code: code, Err: fmt.Errorf(format, args...)}
}

// BadInput makes an error of [KindInput].
func BadInput(code, format string, args ...any) error {
	return &Error{Kind: KindInput, Code: code, Err: fmt.Errorf(format, args...)}
}

// Unavailable makes an error of [KindUnavailable].
func Unavailable(code, format string, args ...any) error {
	return &Error{Kind: KindUnavailable, Code: code, Err: fmt.Errorf(format, args...)}
}

// KindOf gives the kind of the outermost [Error] in err's chain.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindUnknown
}

// CodeOf gives the code of the outermost [Error] in err's chain, "" without one.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
