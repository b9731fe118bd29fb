package cli

import (
	"github.com/stagecrew/stagecrew/pkg/record"
)

// presetAdvice is for an application that is perhaps no Backstage.
const presetAdvice = "these were Backstage's smoke checks, which are the default, and not one pod passed them: " +
	"for another application give checks of its own, --smoke FILE, or --smoke none to go by ready pods alone"

// advise adds to the advice what only this package knows: that nobody asked for the
// checks that failed.
func (s *session) advise(r *record.Record) {
	if !s.smokeByDefault || !noPodPasses(r.Checks) {
		return
	}
	if r.Advice != "" {
		r.Advice += "; "
	}
	r.Advice += presetAdvice
}

// noPodPasses reports whether checks of pods, or of anything where no pod was asked,
// failed and nothing asked passed all of its own.
func noPodPasses(checks []record.Check) bool {
	failed, passed := map[string]bool{}, map[string]bool{}
	pods := false
	for _, c := range checks {
		pods = pods || c.Kind == record.TargetPod
	}
	for _, c := range checks {
		switch {
		case pods && c.Kind != record.TargetPod:
		case c.Result == record.CheckFailed:
			failed[c.Target] = true
		case c.Result == record.CheckPassed:
			passed[c.Target] = true
		}
	}
	for target := range passed {
		if !failed[target] {
			return false
		}
	}
	return len(failed) > 0
}
