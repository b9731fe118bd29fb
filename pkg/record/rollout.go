package record

import (
	"strings"
	"time"
)

// Revision is one entry of a Helm release's history with stagecrew's verdict about it.
type Revision struct {
	Number   int            `json:"revision"`
	Origin   int            `json:"copyOf,omitzero"` // the revision a rollback copied, followed to its first; 0 for an own one
	Status   RevisionStatus `json:"status"`
	Image    string         `json:"image"` // "REPOSITORY@sha256:…", "" when the values hold no digest
	Verdict  Mark           `json:"verdict"`
	MarkedAt time.Time      `json:"verdictAt,omitzero"` // when the verdict was given; zero without one
	Deployed time.Time      `json:"deployed"`           // when Helm applied it
	Chart    string         `json:"chart"`              // name-version
	// Changed means that Helm's record is not the one that a verdict was given
	// about; the verdict counts as none.
	Changed bool `json:"changed,omitzero"`
	// Foreign means that the status is pending and that another program than
	// stagecrew made it so less than an hour ago: another helm is at work.
	Foreign bool `json:"foreign,omitzero"`
}

// IsTarget reports whether a rollback may go to the revision without anybody
// saying so: it is proven, and Helm applied it as a whole. A failed, uninstalled
// or pending revision is none, whatever its verdict.
func (r Revision) IsTarget() bool {
	return r.Verdict == MarkGood && (r.Status == StatusDeployed || r.Status == StatusSuperseded)
}

// IsUninstalled reports whether the revision was taken away, or is about to be.
func (r Revision) IsUninstalled() bool {
	return r.Status == StatusUninstalled || r.Status == StatusUninstalling
}

// RevisionStatus is Helm's word for what became of a revision.
type RevisionStatus string

// The words that decisions hang on; all others mean that a revision was not applied
// as a whole: failed, pending-install, pending-upgrade, pending-rollback, unknown.
const (
	StatusDeployed     RevisionStatus = "deployed"
	StatusSuperseded   RevisionStatus = "superseded"
	StatusUninstalled  RevisionStatus = "uninstalled"
	StatusUninstalling RevisionStatus = "uninstalling"
)

// Mark is the verdict label of a revision, stagecrew.dev/verdict on Helm's release record.
type Mark string

// The marks. A revision that stagecrew never judged has none.
const (
	MarkNone    Mark = ""
	MarkPending Mark = "pending"
	MarkGood    Mark = "good"
	MarkBad     Mark = "bad"
	// MarkIdle is that of a revision that runs nothing on purpose: it was applied,
	// and nothing could be proven of it.
	MarkIdle Mark = "idle"
)

// Workload names one object whose rollout is watched.
type Workload struct {
	Kind      string // one that [IsWatched]
	Namespace string
	Name      string
	// Expires says that Kubernetes removes it some time after its end, as a Job with
	// ttlSecondsAfterFinished.
	Expires bool
}

// WatchedKinds are the kinds that make pods and can be watched, with their group.
var WatchedKinds = map[string]string{
	"Deployment": "apps", "StatefulSet": "apps", "DaemonSet": "apps", "ReplicaSet": "apps",
	"Job": "batch", "Pod": "", "ReplicationController": "",
}

// IsWatched reports whether the rollout of an object of that kind can be watched.
// Custom resources use the same kinds in other groups.
func IsWatched(apiVersion, kind string) bool {
	group, _, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		group = ""
	}
	want, known := WatchedKinds[kind]
	return known && group == want
}

// String gives "Kind/name".
func (w Workload) String() string { return w.Kind + "/" + w.Name }

// AnnotationSmoke on a Service says whether the smoke checks go through it: "true",
// "false", or the name or number of the port to ask.
const AnnotationSmoke = "stagecrew.dev/smoke"

// Service names a Service of a release, and the port that the smoke checks go through.
type Service struct {
	Namespace string
	Name      string
	Port      int  // the Service's own port number
	HTTPS     bool // whether the port speaks TLS
	// Led are the ports that led to pods of the revision before, as "name/number":
	// they must lead somewhere now, too.
	Led []string
}

// Applied is what Helm put into the cluster: the revision and what in its
// manifest is worth watching.
type Applied struct {
	Revision  Revision
	Workloads []Workload
	Services  []Service
	// Alone says that there is no revision to go back to, so that patience with it
	// costs nothing.
	Alone bool
	// Unwatched says in a line each what makes pods and cannot be, or is not to be, watched.
	Unwatched []string
	// Later says that nothing of the revision runs its image but CronJobs, "CronJob/x",
	// at another time; "" when anything else does.
	Later string
	// Repairs says in one line each what had to be done beyond Helm's own work so
	// that the live objects are those of the manifest: leftovers of a failed
	// revision removed, stuck pods freed.
	Repairs []string
}

// Pod is one pod of the new revision that smoke checks are sent to.
type Pod struct {
	Namespace string
	Name      string
	Port      int  // container port of the application
	HTTPS     bool // whether the port speaks TLS
}

// Rollout is the watcher's verdict about one applied revision.
type Rollout struct {
	// Cause says why the rollout failed; nil when it is complete and ready.
	Cause *Cause
	// Pods are the ready pods of the new revision that the smoke checks are sent to,
	// empty when the rollout failed.
	Pods []Pod
	// Services lead to such pods, each with the port that the smoke checks ask; also
	// when the rollout failed.
	Services []Service
	// Unproven says in a line each what of the revision could not be watched.
	Unproven []string
	// Idle says that the revision is complete and wants no pod: zero replicas on
	// purpose.
	Idle bool
}

// Progress is how a rollout looks at one moment.
type Progress struct {
	Seconds float64 // since the watch began
	Line    string  // "waiting for Deployment/backstage: 1 of 2 new pods ready"
	Pods    []PodState
}
