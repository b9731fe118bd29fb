package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// verdict is the judge's answer to one look.
type verdict struct {
	ready    bool
	failed   *trouble
	follow   []container   // containers whose log may tell why a pod is not ready
	progress string        // "waiting for Deployment/backstage: 1 of 2 new pods ready"
	trouble  string        // the worst trouble, "" when all is well
	again    time.Duration // when time alone may change the verdict; 0 is never
	notes    []string      // what leads nowhere and need not
	statuses []status      // one for each workload
}

// judge decides from looks. Its memory is what a single look cannot tell.
type judge struct {
	rules  map[string]Rule
	memory memory
	// found asks whether what a trouble misses has come; nil asks nobody.
	found  func(trouble) bool
	digest string    // of the deployed image, "" where it is not known
	now    time.Time // of the last look
	// applied is when the revision was; the zero time where it is not known.
	applied time.Time

	baseline    map[containerID]int32           // exits before the first look
	proven      map[string]map[types.UID]bool   // pods that were ever ready, by revision
	ours        map[types.UID]bool              // pods of any revision of the workloads
	readiness   map[types.UID]readiness         // of new pods
	running     map[container]time.Time         // since when, of containers without a readiness probe
	lastGoing   map[record.Workload]time.Time   // when a pod was last seen going
	ready       map[record.Workload]bool        // in the last look
	finished    map[record.Workload]bool        // Jobs that were complete
	podFailures map[record.Workload]*podFailure // how a Job's pod failed last
}

func newJudge(rules map[string]Rule) *judge {
	j := &judge{
		rules: defaults(), memory: memory{incidents: map[string]*incident{}},
		proven: map[string]map[types.UID]bool{}, ours: map[types.UID]bool{}, readiness: map[types.UID]readiness{}, running: map[container]time.Time{},
		lastGoing: map[record.Workload]time.Time{}, ready: map[record.Workload]bool{}, finished: map[record.Workload]bool{}, podFailures: map[record.Workload]*podFailure{},
	}
	for code, rule := range rules {
		j.rules[code] = rule
	}
	return j
}

// allReady is the progress of a rollout that is complete.
const allReady = "all workloads ready"

// decide judges one look.
func (j *judge) decide(s snapshot, now time.Time) verdict {
	s.now, j.now = now, now
	s.index()
	if j.baseline == nil {
		j.baseline = restartBaseline(s.pods, j.applied)
	}
	v := verdict{ready: true}
	var troubles []trouble
	var progress []string
	for _, workload := range s.workloads {
		status := j.examine(s, workload)
		j.ready[workload] = status.ready
		v.ready = v.ready && status.ready
		v.follow = append(v.follow, status.follow...)
		v.statuses = append(v.statuses, status)
		v.again = soonest(v.again, status.settles)
		for _, t := range status.troubles {
			t.workload = workload
			troubles = append(troubles, t)
		}
		if status.ready {
			j.memory.heal(workload)
		} else {
			progress = append(progress, fmt.Sprintf("%s: %s", workload, status.progress))
		}
	}
	if v.ready {
		var outdated []trouble
		outdated, v.notes = j.services(s, v.statuses)
		v.ready = len(outdated) == 0
		for _, t := range outdated {
			progress = append(progress, fmt.Sprintf("%s: %s", t.cause.Object, t.cause.Message))
		}
		troubles = append(troubles, outdated...)
	}
	v.progress = allReady
	if len(progress) > 0 {
		v.progress = "waiting for " + strings.Join(progress, ", ")
	}
	j.memory.update(troubles, now, j.clockRuns)
	j.weigh(&v)
	return v
}

// weigh looks for the first trouble whose grace has run out; else it says how
// long until the next one's does.
func (j *judge) weigh(v *verdict) {
	all := j.memory.inSight(j.now)
	if len(all) > 0 {
		// What is merely waited for may be the progress itself.
		if c := all[0].cause; !strings.Contains(v.progress, c.Object+": "+c.Message) {
			v.trouble = c.String()
		}
	}
	for _, s := range all {
		if s.due.IsZero() {
			continue
		}
		if left := j.grace(s) - j.now.Sub(s.due); left > 0 {
			v.again = soonest(v.again, left)
			continue
		}
		if !s.excused && j.found != nil && rows[s.cause.Code].retryAfter > 0 && j.found(s.trouble) {
			s.excused, s.due = true, j.now
			v.again = soonest(v.again, j.grace(s))
			continue
		}
		failed := s.trouble
		if i := slices.IndexFunc(all, func(s *observation) bool { return s.specific }); !failed.specific && i >= 0 {
			failed = because(failed, all[i].trouble)
		}
		v.failed, v.ready = &failed, false
		return
	}
}

// clockRuns reports whether the rule lets the clock of a trouble run.
func (j *judge) clockRuns(t trouble) bool {
	rule := j.rules[t.cause.Code]
	return !rule.Wait && !t.recovering && t.failures >= rule.Failures
}

func (j *judge) grace(s *observation) time.Duration {
	rule := j.rules[s.cause.Code]
	switch {
	case s.excused:
		return rows[s.cause.Code].retryAfter
	case s.shared:
		return rule.Shared
	}
	return rule.Grace
}

// timeout is the cause when the budget has run out: what is still wrong, or the
// first specific thing that was.
func (j *judge) timeout(progress string, after time.Duration) trouble {
	t := trouble{cause: record.Cause{Code: codeTimeout, Message: fmt.Sprintf("%s after %.0fs", progress, after.Seconds())}}
	for _, s := range j.memory.inSight(j.now) {
		if s.specific && !j.ready[s.workload] {
			return because(t, s.trouble)
		}
	}
	if len(j.memory.first) > 0 {
		return because(t, j.memory.first[0])
	}
	return t
}

// soonest is the smaller of two durations of which 0 means none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
