// Package answers says what the answers to smoke checks come to: alone, and in the light
// of those before the change.
package answers

import (
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Failed names the first check that failed, nil without one.
func Failed(checks []record.Check) *record.Cause {
	for _, c := range checks {
		if c.Result == record.CheckFailed {
			return &record.Cause{Code: "smoke/check-failed", Object: c.Target, Reason: c.Name, Message: c.Detail}
		}
	}
	return nil
}

// Inconclusive names the first check that told nothing.
func Inconclusive(checks []record.Check) *record.Cause {
	for _, c := range checks {
		if c.Result == record.CheckInconclusive {
			return &record.Cause{Code: "smoke/not-proven", Object: c.Target, Reason: c.Name, Message: c.Detail}
		}
	}
	return &record.Cause{Code: "smoke/not-proven", Message: "no smoke check could be answered"}
}

// AnyPassed reports whether a check has passed.
func AnyPassed(checks []record.Check) bool {
	for _, c := range checks {
		if c.Result == record.CheckPassed {
			return true
		}
	}
	return false
}

// AreProof reports whether every pod and every Service has passed a check. Checks
// of the public URL prove nothing of them: it may be closed from here.
func AreProof(checks []record.Check) bool {
	passed := map[string]bool{}
	for _, c := range checks {
		if c.Kind == record.TargetPod || c.Kind == record.TargetService {
			passed[c.Target] = passed[c.Target] || c.Result == record.CheckPassed
		}
	}
	for _, ok := range passed {
		if !ok {
			return false
		}
	}
	return true
}
