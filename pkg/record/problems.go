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
