package smoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
)

// seen is what the attempts of one check have shown.
type seen struct {
	asked int     // attempts that count
	row   int     // passes in a row, at the end
	waits int     // attempts in a row that did not get through, at the end
	last  outcome // of the last attempt that was not cut short
	fault error   // of the last answer that was wrong
	doubt error   // the last error that was no answer of the application's

	picture []byte // the last one that a browser took
}

// ask sends the request until it has passed often enough in a row, or there is no
// more to see.
func (r runner) ask(ctx context.Context, c checks.Check) seen {
	var s seen
	for {
		err := r.once(ctx, c, &s.picture)
		if err != nil && ctx.Err() != nil {
			// It was cut off, and says less than what was seen before it.
			if s.last == nothing {
				s.note(r.weigh(err), err)
			}
			return s
		}
		s.note(r.weigh(err), err)
		if err != nil && r.log.Enabled(ctx, slog.LevelDebug) {
			r.log.Debug("smoke attempt without a pass", "check", c.Name, "attempt", s.asked, "detail", c.Safe(err.Error()))
		}
		pause := r.pause(s)
		if s.row >= r.suite.Consecutive || s.last == barred || s.asked >= r.suite.Attempts && s.row == 0 {
			return s
		}
		// What asks for more time than there is gets no second request.
		if deadline, found := ctx.Deadline(); s.last == waiting && found && time.Until(deadline) < pause {
			return s
		}
		if retry.Sleep(ctx, pause) != nil {
			return s
		}
	}
}

func (s *seen) note(o outcome, err error) {
	s.last = o
	if o == waiting {
		s.waits, s.doubt = s.waits+1, err
		return
	}
	s.asked, s.waits = s.asked+1, 0
	switch o {
	case passed:
		s.row++
	case wrong:
		s.row, s.fault = 0, err
	default:
		s.row, s.doubt = 0, err
	}
}

// maxPause bounds how long a target is left alone that does not say for how long.
const maxPause = 15 * time.Second

// pause is how long to wait for the next attempt.
func (r runner) pause(s seen) time.Duration {
	var slowDown throttled
	if s.last != waiting || !errors.As(s.doubt, &slowDown) {
		return r.suite.Interval
	}
	if slowDown.after > 0 {
		return max(slowDown.after, r.suite.Interval)
	}
	return max(r.suite.Interval, min(maxPause, time.Second<<min(s.waits-1, 4)))
}

// finding is what the attempts of a check have come to.
type finding struct {
	result      record.CheckResult
	why         string
	unreachable bool // nothing ever came back from a target that may be closed from here
}

// verdict gives the result and the reason for it.
func (s seen) verdict(suite checks.Suite) finding {
	switch {
	case s.row >= suite.Consecutive:
		return finding{result: record.CheckPassed}
	case s.last == passed:
		why := fmt.Sprintf("passed %d times in a row within %s, should be %d", s.row, suite.Budget, suite.Consecutive)
		return finding{result: record.CheckInconclusive, why: why + s.before()}
	case s.last == waiting || s.last == barred:
		return finding{result: record.CheckInconclusive, why: s.doubt.Error() + s.before()}
	case s.fault == nil:
		return finding{result: record.CheckInconclusive, why: "unreachable: " + s.doubt.Error(), unreachable: true}
	}
	return finding{result: record.CheckFailed, why: s.fault.Error()}
}

// before adds the last wrong answer to a reason that is none.
func (s seen) before() string {
	if s.fault == nil {
		return ""
	}
	return "; before that: " + s.fault.Error()
}
