package rollout

import (
	"fmt"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// The codes of causes. Each has a heading in docs/errors.md.
const (
	codeInvalidName   = "rollout/invalid-image-name"
	codeNeverPull     = "rollout/image-never-pull"
	codeNotFound      = "rollout/image-not-found"
	codeDenied        = "rollout/image-pull-denied"
	codePull          = "rollout/image-pull-failed"
	codeConfig        = "rollout/config-missing"
	codeCreate        = "rollout/container-not-created"
	codeCrash         = "rollout/crash-loop"
	codeOOM           = "rollout/oom-killed"
	codeLogPattern    = "rollout/log-pattern"
	codeMount         = "rollout/mount-failed"
	codeUnschedulable = "rollout/unschedulable"
	codeQuota         = "rollout/quota-exceeded"
	codeAdmission     = "rollout/admission-denied"
	codePodCreate     = "rollout/pod-not-created"
	codeDeadline      = "rollout/progress-deadline"
	codePaused        = "rollout/paused"
	codeJob           = "rollout/job-failed"
	codeTimeout       = "rollout/timeout"
)

// trouble is one condition that may turn out to be a failure.
type trouble struct {
	cause    pipeline.Cause
	grace    time.Duration // how long it must last; 0 means at once
	specific bool          // the message is the runtime's own, not a generic one
}

// key tells whether two looks see the same trouble. A pull that alternates
// between an error and a back-off is one trouble.
func (t trouble) key() string {
	return strings.Join([]string{t.cause.Object, t.cause.Container, group(t.cause.Code)}, "|")
}

func group(code string) string {
	switch code {
	case codeNotFound, codeDenied, codePull:
		return "pull"
	}
	return code
}

// sighting is a trouble with its history.
type sighting struct {
	trouble
	since time.Time
}

// verdict is the judge's answer to one look.
type verdict struct {
	ready    bool
	cause    *pipeline.Cause
	pods     []pipeline.Pod
	unready  []container // running containers of new pods that are not ready
	progress string      // "Deployment/backstage: 1 of 2 new pods ready"
	trouble  string      // the most specific trouble, "" when all is well
}

// judge decides from looks; its only memory is since when each trouble lasts, the
// first specific message about it, and the restarts before the first look.
type judge struct {
	graces  Graces
	earlier map[life]int32 // from the first look
	seen    map[string]sighting
	first   *pipeline.Cause // the first specific cause, for a timeout
}

func newJudge(g Graces) *judge { return &judge{graces: g, seen: map[string]sighting{}} }

// decide judges one look.
func (j *judge) decide(s snapshot, now time.Time) verdict {
	s.now = now
	if j.earlier == nil {
		j.earlier = earlierLives(s.pods)
	}
	v := verdict{ready: true}
	var troubles []trouble
	var progress []string
	for _, workload := range s.workloads {
		status := j.examine(s, workload)
		v.ready = v.ready && status.ready
		v.pods = append(v.pods, status.pods...)
		v.unready = append(v.unready, status.unready...)
		troubles = append(troubles, status.troubles...)
		if !status.ready {
			progress = append(progress, fmt.Sprintf("%s: %s", workload, status.progress))
		}
	}
	v.progress = "all workloads ready"
	if len(progress) > 0 {
		v.progress = "waiting for " + strings.Join(progress, ", ")
	}
	v.cause = j.remember(troubles, now)
	if v.cause != nil {
		v.ready = false
	}
	if len(troubles) > 0 {
		v.trouble = j.seen[troubles[0].key()].cause.String()
	}
	return v
}

// remember keeps the troubles that are still there and gives the first one whose
// grace has run out.
func (j *judge) remember(troubles []trouble, now time.Time) *pipeline.Cause {
	next := map[string]sighting{}
	var failed, specific *pipeline.Cause
	vague := false
	for _, t := range troubles {
		s := sighting{trouble: t, since: now}
		if before, known := j.seen[t.key()]; known {
			s.since = before.since
			// A later message is often generic: keep the first specific one.
			if before.specific && !t.specific {
				s.trouble = before.trouble
			}
		}
		next[t.key()] = s
		cause := s.cause
		if s.specific && specific == nil {
			specific = &cause
		}
		if failed == nil && now.Sub(s.since) >= s.grace {
			failed, vague = &cause, !s.specific
		}
	}
	j.seen = next
	if j.first == nil {
		j.first = specific
	}
	if vague && specific != nil {
		explained := because(*failed, *specific)
		return &explained
	}
	return failed
}

// timeout is the cause when the budget has run out: what is still wrong, or the
// first specific thing that was.
func (j *judge) timeout(progress string, after time.Duration) pipeline.Cause {
	cause := pipeline.Cause{Code: codeTimeout, Message: fmt.Sprintf("%s after %.0fs", progress, after.Seconds())}
	for _, s := range j.seen {
		if s.specific {
			return because(cause, s.cause)
		}
	}
	if j.first != nil {
		return because(cause, *j.first)
	}
	return cause
}

// because adds to a general cause the specific one behind it.
func because(general, specific pipeline.Cause) pipeline.Cause {
	general.Object, general.Container, general.Reason = specific.Object, specific.Container, specific.Reason
	general.Message += ": " + specific.Message
	return general
}
