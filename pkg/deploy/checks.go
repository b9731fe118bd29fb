package deploy

import (
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// failedCheck names the first check that failed, nil without one.
func failedCheck(checks []record.Check) *record.Cause {
	for _, c := range checks {
		if c.Result == record.CheckFailed {
			return &record.Cause{Code: "smoke/check-failed", Object: c.Target, Reason: c.Name, Message: c.Detail}
		}
	}
	return nil
}

// inconclusiveCheck names the first check that told nothing.
func inconclusiveCheck(checks []record.Check) *record.Cause {
	for _, c := range checks {
		if c.Result == record.CheckInconclusive {
			return &record.Cause{Code: "smoke/not-proven", Object: c.Target, Reason: c.Name, Message: c.Detail}
		}
	}
	return &record.Cause{Code: "smoke/not-proven", Message: "no smoke check could be answered"}
}

func anyPassed(checks []record.Check) bool {
	for _, c := range checks {
		if c.Result == record.CheckPassed {
			return true
		}
	}
	return false
}

// isProven reports whether every pod and every Service has passed a check. Checks
// of the public URL prove nothing of them: it may be closed from here.
func isProven(checks []record.Check) bool {
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

// say warns of checks that did not pass.
func (r *run) say(when string, checks []record.Check) {
	for _, c := range checks {
		if c.Result != record.CheckPassed {
			r.Log.Warn(fmt.Sprintf("%s, smoke %s on %s: %s", when, c.Name, c.Target, c.Result), "detail", c.Detail)
		}
	}
}
