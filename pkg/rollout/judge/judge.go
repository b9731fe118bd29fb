// Package judge decides from looks at a cluster, one after the other, whether a rollout is
// complete, waits, or has failed. It is pure: it reads no clock, asks no API server and starts
// nothing, so that each rule is tested as a row of a table.
package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// Verdict is the judge's answer to one look.
type Verdict struct {
	Ready    bool
	Failed   *detect.Trouble
	Follow   []podstate.Run // containers whose log may tell why a pod is not ready
	Progress string         // "waiting for Deployment/backstage: 1 of 2 new pods ready"
	Trouble  string         // the worst trouble, "" when all is well
	Again    time.Duration  // when time alone may change the verdict; 0 is never
	Notes    []string       // what leads nowhere and need not
	Statuses []Status       // one for each workload
}

// Judge decides from looks. Its memory is what a single look cannot tell.
type Judge struct {
	rules  map[string]causes.Rule
	memory memory
	// Found reports whether what a trouble misses has come; nil when that is not asked.
	Found  func(detect.Trouble) bool
	Digest string    // of the deployed image, "" where it is not known
	Now    time.Time // of the last look
	// Applied is when the revision was; the zero time where it is not known.
	Applied time.Time
	// JobsUntil is how long Jobs that are at work are waited for where all else is
	// ready; the zero time waits for their end.
	JobsUntil time.Time

	seen        *Seen                                  // what the Watch before this one saw; may be nil
	baseline    map[podstate.ContainerID]int32         // exits before the first look
	proven      map[string]map[types.UID]bool          // pods that were ever ready, by revision
	ours        map[types.UID]bool                     // pods of any revision of the workloads
	readiness   map[types.UID]readiness                // of new pods
	running     map[podstate.Run]time.Time             // since when, of containers without a readiness probe
	lastGoing   map[record.Workload]time.Time          // when a pod was last seen going
	ready       map[record.Workload]bool               // in the last look
	finished    map[record.Workload]bool               // Jobs that were complete
	living      map[types.UID]living                   // new pods that ran in some look
	podFailures map[record.Workload]*podFailure        // how a Job's pod failed last
	short       map[record.Workload]time.Time          // since when its autoscaler is waited for
	rejected    map[record.Workload]map[types.UID]bool // new pods that a node did not begin with
	look        cluster.Snapshot                       // the last one
	starting    []*corev1.Pod                          // new pods in it with which nothing is wrong
}

// New makes a judge; rules replace the default ones of their codes.
func New(rules map[string]causes.Rule) *Judge {
	j := &Judge{
		rules: causes.Defaults(), memory: memory{incidents: map[string]*incident{}},
		proven: map[string]map[types.UID]bool{}, ours: map[types.UID]bool{}, readiness: map[types.UID]readiness{}, running: map[podstate.Run]time.Time{},
		lastGoing: map[record.Workload]time.Time{}, ready: map[record.Workload]bool{}, finished: map[record.Workload]bool{}, living: map[types.UID]living{}, podFailures: map[record.Workload]*podFailure{}, short: map[record.Workload]time.Time{},
		rejected: map[record.Workload]map[types.UID]bool{},
	}
	for code, rule := range rules {
		j.rules[code] = rule
	}
	return j
}

// AllReady is the progress of a rollout that is complete.
const AllReady = "all workloads ready"

// Decide judges one look.
func (j *Judge) Decide(s cluster.Snapshot, now time.Time) Verdict {
	s.Now, j.Now, j.starting = now, now, nil
	s.Index()
	j.look = s
	if j.baseline == nil {
		j.baseline = restartBaseline(s.Pods, j.Applied)
	}
	v := Verdict{Ready: true}
	var troubles []detect.Trouble
	var progress []string
	var outdated []detect.Trouble // what the progress tells of itself
	for _, workload := range s.Workloads {
		status := j.examine(s, workload)
		j.ready[workload] = status.ready
		v.Ready = v.Ready && status.ready
		v.Follow = append(v.Follow, status.follow...)
		v.Statuses = append(v.Statuses, status)
		v.Again = Soonest(v.Again, status.settles)
		for _, t := range status.troubles {
			t.Workload = workload
			troubles = append(troubles, t)
		}
		if status.working {
			v.Again = Soonest(v.Again, max(0, j.JobsUntil.Sub(now)))
		}
		if status.ready || status.want > 0 && status.have == status.want && len(status.troubles) == 0 {
			j.memory.heal(workload)
		}
		if !status.ready {
			progress = append(progress, fmt.Sprintf("%s: %s", workload, status.progress))
		}
	}
	var atWork []string
	if !v.Ready && j.onlyJobsAtWork(v.Statuses) {
		v.Ready, atWork, progress = true, progress, nil
	}
	if v.Ready {
		outdated, v.Notes = j.services(s, v.Statuses)
		for _, status := range v.Statuses {
			if status.unproven != "" {
				v.Notes = append(v.Notes, status.unproven)
			}
		}
		v.Notes = append(v.Notes, Unwatched(&s, v.Statuses)...)
		for _, line := range atWork {
			v.Notes = append(v.Notes, line+": it is still at work, and its end was not waited for")
		}
		v.Ready = len(outdated) == 0
		for _, t := range outdated {
			progress = append(progress, fmt.Sprintf("%s: %s", t.Cause.Object, t.Cause.Message))
		}
		troubles = append(troubles, outdated...)
	}
	v.Progress = AllReady
	if len(progress) > 0 {
		v.Progress = "waiting for " + strings.Join(progress, ", ")
	}
	j.memory.update(troubles, now, j.clockRuns)
	j.weigh(&v, outdated)
	return v
}

// weigh looks for the first trouble whose grace has run out; else it says how
// long until the next one's does. What is told in the progress is not told again.
func (j *Judge) weigh(v *Verdict, told []detect.Trouble) {
	all := j.memory.inSight(j.Now)
	if len(all) > 0 && !slices.ContainsFunc(told, func(t detect.Trouble) bool { return t.Key() == all[0].Key() }) {
		v.Trouble = all[0].Cause.String()
	}
	for _, s := range all {
		if s.due.IsZero() {
			continue
		}
		if left := j.grace(s) - j.Now.Sub(s.due); left > 0 {
			v.Again = Soonest(v.Again, left)
			continue
		}
		if !s.excused && j.Found != nil && causes.Of(s.Cause.Code).RetryAfter > 0 && j.Found(s.Trouble) {
			s.excused, s.due = true, j.Now
			v.Again = Soonest(v.Again, j.grace(s))
			continue
		}
		failed := s.Trouble
		if i := slices.IndexFunc(all, func(s *observation) bool { return s.Specific }); !failed.Specific && i >= 0 {
			failed = detect.Because(failed, all[i].Trouble)
		}
		failed = beside(failed, all)
		v.Failed, v.Ready = &failed, false
		return
	}
}

// clockRuns reports whether the rule lets the clock of a trouble run.
func (j *Judge) clockRuns(t detect.Trouble) bool {
	rule := j.rules[t.Cause.Code]
	return !rule.Wait && !t.Recovering && (!t.Earlier || t.Failures > 0) && t.Failures >= rule.Failures
}

// beside adds what is down of before the revision: what fails now may wait for it, as an
// init container does for a database.
func beside(t detect.Trouble, all []*observation) detect.Trouble {
	for _, s := range all {
		if s.Earlier && s.Cause.Object != t.Cause.Object {
			return detect.Beside(t, s.Trouble)
		}
	}
	return t
}

func (j *Judge) grace(s *observation) time.Duration {
	rule := j.rules[s.Cause.Code]
	switch {
	case s.excused:
		return causes.Of(s.Cause.Code).RetryAfter
	case s.Shared:
		return rule.Shared
	}
	return rule.Grace
}

// Timeout is the cause when the budget has run out: what is still wrong, the first
// specific thing that was, or what a pod is about to do.
func (j *Judge) Timeout(progress string, after time.Duration) detect.Trouble {
	t := detect.Trouble{Cause: record.Cause{Code: causes.Timeout, Message: fmt.Sprintf("%s after %.0fs", progress, after.Seconds())}}
	all := j.memory.inSight(j.Now)
	for _, s := range all {
		if s.Specific && !j.ready[s.Workload] {
			return beside(detect.Because(t, s.Trouble), all)
		}
	}
	if len(j.memory.first) > 0 {
		return detect.Because(t, j.memory.first[0])
	}
	for _, p := range j.starting {
		if about, found := detect.Starting(&j.look, p); found {
			return detect.Because(t, about)
		}
	}
	return t
}

// Soonest is the smaller of two durations of which 0 means none.
func Soonest(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
