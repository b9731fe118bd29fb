package record

import (
	"strings"
	"time"
)

// RecordSchema is the version of the record's JSON form.
const RecordSchema = "stagecrew.dev/record/v1"

// Verdict is how a run ended.
type Verdict string

// The verdicts of a deploy or rollback; the last two are those of the other
// stages, which share VerdictRefused.
const (
	VerdictGood       Verdict = "good"        // the revision is verified-good
	VerdictRefused    Verdict = "refused"     // a check said no before anything changed
	VerdictRolledBack Verdict = "rolled-back" // failed; the last verified-good revision serves again
	VerdictNeedsHuman Verdict = "needs-human" // failed; the rollback was withheld or failed
	VerdictCancelled  Verdict = "cancelled"   // stopped by a signal; the state is recorded
	VerdictUnknown    Verdict = "unknown"     // could not tell; the cluster was not left half-way
	VerdictOK         Verdict = "ok"
	VerdictError      Verdict = "error"
)

// Cause names the first specific thing that made a deploy fail.
type Cause struct {
	Code      string `json:"code"`      // stable, for example "rollout/image-not-found"
	Object    string `json:"object"`    // "Pod/backstage-7d9", "" when no object is to blame
	Container string `json:"container"` // "" when no container is to blame
	Reason    string `json:"reason"`    // Kubernetes' word, for example ErrImagePull
	Message   string `json:"message"`   // the runtime's own words; untrusted
	// MetLock says that a container found the lock of its migrations held.
	MetLock bool `json:"-"`
}

// String gives the cause for people: "Pod/x container y: Reason: message [code]".
func (c Cause) String() string {
	s := c.Object
	if c.Container != "" {
		s += " container " + c.Container
	}
	for _, part := range []string{c.Reason, c.Message} {
		if part == "" {
			continue
		}
		if s != "" {
			s += ": "
		}
		s += part
	}
	return s + " [" + c.Code + "]"
}

// Release is a Helm release as a deploy saw it. Revisions are Helm's numbers;
// 0 means there is none.
type Release struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Revision  int    `json:"revision"` // what this run made or judged
	// RollbackTarget is the last verified-good revision, or the one that was chosen by
	// hand, which need not be good.
	RollbackTarget int `json:"previousGood"`
	Live           int `json:"live"` // what serves at the end of the run
	// LiveImage is the image of Live, REPOSITORY@sha256:…; "" when that is not known.
	LiveImage string `json:"liveImage,omitempty"`
	// Idle says that the revision runs nothing on purpose: applied, and not proven.
	Idle bool `json:"idle,omitempty"`
}

// Phase is one step of a run.
type Phase struct {
	Name   string      `json:"name"`
	Start  time.Time   `json:"start"`
	End    time.Time   `json:"end"`
	Result PhaseResult `json:"result"`
	Bytes  int64       `json:"bytes,omitempty"` // that were sent
}

// PhaseResult is how a phase ended.
type PhaseResult string

// The results of a phase.
const (
	PhaseOK        PhaseResult = "ok"
	PhaseFailed    PhaseResult = "failed"
	PhaseCancelled PhaseResult = "cancelled" // by a signal
)

// Check is one smoke request (or another check) and how it ended.
type Check struct {
	Name    string      `json:"name"`
	Target  string      `json:"target"` // "Pod/x", "Service/y", or a URL
	Result  CheckResult `json:"result"`
	Detail  string      `json:"detail"` // why; untrusted, bounded
	Seconds float64     `json:"seconds"`
	// Picture is the file of what a browser saw, a PNG.
	Picture string `json:"picture,omitempty"`
	// Kind is what the target is.
	Kind TargetKind `json:"-"`
	// Unreachable says that the check is inconclusive because nothing came back from
	// a target that may be closed from here.
	Unreachable bool `json:"-"`
}

// TargetKind is what a check is sent to.
type TargetKind string

// The targets of smoke checks; other checks have none of these.
const (
	TargetPod     TargetKind = "pod"
	TargetService TargetKind = "service"
	// TargetPublic is a URL that visitors use. It may be closed from here although it
	// works.
	TargetPublic TargetKind = "public"
)

// CheckResult is how a check ended.
type CheckResult string

// The results of a check.
const (
	CheckPassed       CheckResult = "passed"
	CheckFailed       CheckResult = "failed"
	CheckInconclusive CheckResult = "inconclusive" // what was seen says nothing about what was checked
)

// Run identifies the run that wrote a record. On a laptop ID and Attempt are empty.
type Run struct {
	ID      string `json:"id"`
	Attempt string `json:"attempt"`
	Actor   string `json:"actor"`
	Commit  string `json:"commit"`
}

// Record is what a command did, as one JSON document.
type Record struct {
	Schema   string   `json:"schema"`
	Command  string   `json:"command"`
	Verdict  Verdict  `json:"verdict"`
	Image    Image    `json:"image"`
	Release  *Release `json:"release"` // null when no release is concerned
	Cause    *Cause   `json:"cause"`   // null when good
	Phases   []Phase  `json:"phases"`
	Checks   []Check  `json:"checks"`
	Evidence []string `json:"evidence"` // paths of files
	Run      Run      `json:"run"`
	// Built says how the image was made, when this run made it.
	Built *Built `json:"built,omitempty"`
	// Tags are what became of the tags that were to move.
	Tags []MovedTag `json:"tags,omitempty"`
	// Scan is the scan's result where there was one.
	Scan *ScanReport `json:"scan,omitempty"`
	// Concerns are what preflight found.
	Concerns []Concern `json:"concerns,omitempty"`
	// Migrations say what going back from the image to the live one needs of its databases,
	// where both are known.
	Migrations *Migrations `json:"migrations,omitempty"`
	// Changes are what a dry run would change.
	Changes []Change `json:"changes,omitempty"`
	// Repairs are what had to be done beyond Helm's own work, see [Applied], and before it:
	// locks that were freed, a revision that was replaced because a dead run had applied it in part.
	Repairs []string `json:"repairs,omitempty"`
	// Sights are how the pods of the rollouts looked, at each change.
	Sights []Sight `json:"sights,omitempty"`
	// Soak is for how long the new pods were watched after the last of them was ready.
	Soak float64 `json:"soakSeconds,omitempty"`
	// Reason is why a person rolled back, in their own words.
	Reason string `json:"reason,omitempty"`
	// Databases is what the databases said when something was to be rolled back.
	Databases *DatabaseState `json:"databases,omitempty"`
	// Dump is the one of the databases that was made before the deploy.
	Dump *Dump `json:"dump,omitempty"`
	// Undo is what was done with the databases before the rollback.
	Undo *DatabaseUndo `json:"undo,omitempty"`
	// Diagnosis is what was known of a failed revision before its rollback.
	Diagnosis *Evidence `json:"diagnosis,omitempty"`
	// Panics are bugs of this program that the run survived, see [Guard].
	Panics []Panicked `json:"panics,omitempty"`
	// LooksOnly says that the command does nothing to a release that it names. It is not
	// part of the JSON form.
	LooksOnly bool `json:"-"`
	// Advice is a sentence for the person on call, "" when nothing is to be done.
	Advice string `json:"advice,omitempty"`
	// Error is the message of the error that ended the run, "" without one.
	Error string `json:"error,omitempty"`
	// ErrorCode is the stable code of what ended the run without a Cause: that of the first
	// error, or cli/cancelled after a signal.
	ErrorCode string `json:"errorCode,omitempty"`
}

// Code is the stable code of what went wrong, "" when nothing did.
func (r Record) Code() string {
	if r.Cause != nil {
		return r.Cause.Code
	}
	return r.ErrorCode
}

// Changed says for people what a run has changed that came to no verdict of its own.
func (r Record) Changed() string {
	if len(r.Repairs) == 0 {
		return "nothing was changed"
	}
	return "all that was done: " + strings.Join(r.Repairs, "; ")
}
