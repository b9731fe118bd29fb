package cli

import (
	"maps"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// presetAdvice is for an application that is perhaps no Backstage.
const presetAdvice = "these were Backstage's smoke checks, which are the default, and not one pod passed them: " +
	"for another application give checks of its own, --smoke FILE, or --smoke none to go by ready pods alone"

// advise adds to the advice what only this package knows: that the checks that failed
// are the default.
func (s *session) advise(r *record.Record) {
	if !s.smokeByDefault || !noPodPasses(r.Checks) {
		return
	}
	if r.Advice != "" {
		r.Advice += "; "
	}
	r.Advice += presetAdvice
	s.presetFailed = true
}

// noPodPasses reports whether checks failed and nothing asked passed all of its own: no
// pod or, where none was asked, nothing else. Checks of pods may have been cut short by
// those of a Service that had failed. A public URL alone says nothing about the checks.
func noPodPasses(checks []record.Check) bool {
	whole := map[string]bool{}
	pods, failed := false, false
	for _, c := range checks {
		pods = pods || c.Kind == record.TargetPod
		failed = failed || c.Result == record.CheckFailed && c.Kind != record.TargetPublic
	}
	for _, c := range checks {
		if pods && c.Kind != record.TargetPod {
			continue
		}
		before, asked := whole[c.Target]
		whole[c.Target] = c.Result == record.CheckPassed && (before || !asked)
	}
	return failed && !slices.Contains(slices.Collect(maps.Values(whole)), true)
}
