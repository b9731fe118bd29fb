package record

import (
	"errors"
	"fmt"
)

// MaxProblems bounds how many things that are wrong are told at once.
const MaxProblems = 20

// Problems joins what is wrong, each text once. Of more than 20 it gives the first and
// says how many follow: what others have written may be wrong in any number of places.
func Problems(all ...error) error {
	var kept []error
	seen := map[string]bool{}
	for _, err := range all {
		if err == nil || seen[err.Error()] {
			continue
		}
		seen[err.Error()] = true
		if len(kept) < MaxProblems {
			kept = append(kept, err)
		}
	}
	if more := len(seen) - len(kept); more > 0 {
		kept = append(kept, fmt.Errorf("and %d more of this kind: mend these first", more))
	}
	return errors.Join(kept...)
}

// Parts are the errors that [errors.Join] made one of, at any depth; an error that says
// more than they do is one by itself.
func Parts(err error) []error {
	joined, several := err.(interface{ Unwrap() []error }) // what it is, not what it wraps
	switch {
	case err == nil:
		return nil
	case !several || err.Error() != errors.Join(joined.Unwrap()...).Error():
		return []error{err}
	}
	var all []error
	for _, part := range joined.Unwrap() {
		all = append(all, Parts(part)...)
	}
	return all
}
