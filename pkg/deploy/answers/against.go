package answers

import (
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// question is what a check asks of a kind of target: pods have other names after
// a deploy, so all of them are one.
type question struct{ check, target string }

func questionOf(c record.Check) question {
	if c.Kind == record.TargetPod {
		return question{check: c.Name}
	}
	return question{c.Name, c.Target}
}

// earlierAnswer is how a question was answered before the deploy.
type earlierAnswer struct {
	passed bool   // by at least one target
	detail string // why one did not
}

// Against judges the results after a deploy in the light of those before it. It
// changes two kinds of them:
//   - failed, and before the deploy the check had failed or its target was
//     unreachable: inconclusive, because the deploy need not be the reason;
//   - unreachable, and before the deploy the check had passed there: failed.
//
// A check counts as passed before when one pod passed it. What was inconclusive
// before for another reason tells nothing, nor do checks that were not made.
func Against(before, after []record.Check) []record.Check {
	known := map[question]earlierAnswer{}
	for _, c := range before {
		e, found := known[questionOf(c)]
		switch {
		case c.Result == record.CheckPassed:
			e.passed = true
		case c.Result != record.CheckFailed && !c.Unreachable:
			continue
		case !found || e.detail == "":
			e.detail = c.Detail
		}
		known[questionOf(c)] = e
	}
	var out []record.Check
	for _, c := range after {
		e, found := known[questionOf(c)]
		switch {
		case found && !e.passed && c.Result == record.CheckFailed:
			c.Result = record.CheckInconclusive
			c.Detail = text.Cut("was already failing before: "+text.Cut(e.detail, maxEarlier)+"; now: "+c.Detail, maxBoth)
		case found && e.passed && c.Result == record.CheckInconclusive && c.Unreachable:
			c.Result, c.Unreachable = record.CheckFailed, false
			c.Detail = "it was reachable before: " + c.Detail
		}
		out = append(out, c)
	}
	return out
}

// The bounds of the details of two results in one, in bytes.
const (
	maxEarlier = 300
	maxBoth    = 1200
)
