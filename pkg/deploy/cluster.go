package deploy

import (
	"context"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// History is what a release consists of and consisted of, with a verdict for each
// revision.
type History interface {
	// History gives the revisions, newest first; none for a new release.
	History(ctx context.Context) ([]record.Revision, error)
	// Describe says what an existing revision consists of.
	Describe(ctx context.Context, revision int) (record.Applied, error)
	// Mark writes the verdict of a revision into the cluster.
	Mark(ctx context.Context, revision int, mark record.Mark) error
	// Drift says how the live objects differ from those of a revision.
	Drift(ctx context.Context, revision int) ([]record.Change, error)
	// Doubts says, a line each, what of a revision whose pods serve is not as it should be.
	Doubts(ctx context.Context, revision int) ([]string, error)
	// Diff is a unified diff of two revisions' manifests, without Secrets' data; a
	// revision 0 is empty.
	Diff(ctx context.Context, from, to int) (string, error)
	// Secrets are the values that must not be shown of a revision.
	Secrets(ctx context.Context, revision int) ([]string, error)
}

// Changer changes the cluster, or says what a change would do. Apply and Rollback
// return when the API server has taken the objects, without waiting for pods, and mark
// the new revision pending. When an error comes with a revision, that revision stands
// in the history. When ctx is cancelled they return soon with its error, although Helm
// may still be at work: the process must then end without touching the release again.
// Repairs are told in the log by whoever does them.
type Changer interface {
	Plan(ctx context.Context, image record.Image) (record.Plan, error)
	PlanRollback(ctx context.Context, to int) (record.Plan, error)
	Apply(ctx context.Context, image record.Verified) (record.Applied, error)
	// Rollback applies an earlier revision, whose containers get the variables, too.
	Rollback(ctx context.Context, to int, set map[string]string) (record.Applied, error)
}

// Locker makes sure that one run at a time changes a release.
type Locker interface {
	// Lock gives a context that is cancelled, with the cause, when the lock is lost.
	Lock(ctx context.Context, holder string) (held context.Context, unlock func(context.Context) error, err error)
	// Note writes down what the holder is doing, for the next run if this one dies.
	Note(ctx context.Context, journal record.Journal) error
	// Journal is what was noted last; the zero value when there is nothing.
	Journal(ctx context.Context) (record.Journal, error)
}

// Watcher looks at pods. An error of its methods says nothing about them.
type Watcher interface {
	// Watch waits until a rollout is complete or certain to fail; ctx's deadline is
	// its budget.
	Watch(ctx context.Context, applied record.Applied) (record.Rollout, error)
	// Hold watches a complete rollout for a while, for 0 as long as its pods need to
	// show that they live; the cause says how it broke, the notes what is not proven
	// although it did not.
	Hold(ctx context.Context, applied record.Applied, d time.Duration) (cause *record.Cause, notes []string, err error)
	// Collect gathers what is known about a failed rollout, as far as it can be had.
	Collect(ctx context.Context, applied record.Applied, cause record.Cause) record.Evidence
}

// Targets are where smoke checks are sent, besides the public URL.
type Targets struct {
	Pods     []record.Pod
	Services []record.Service
	// Quick asks only a few times: for a look at the live release.
	Quick bool
	// Enough says of a result, as soon as it is known, that nothing else counts: the
	// other checks are then cut short. nil asks all to the end. Several goroutines call
	// it.
	Enough func(record.Check) bool
}

// Prober sends the smoke checks.
type Prober interface {
	// Probe sends them to each pod, through each Service and to the public URL.
	Probe(ctx context.Context, to Targets) ([]record.Check, error)
}

// Databases know what going back does to the databases of a release, and do what is
// wanted about that.
type Databases interface {
	// Foresee says what going back from the image next to the live one would need of
	// them. What cannot be found out is unknown, and no error.
	Foresee(ctx context.Context, live, next string, plan record.Plan) *record.Migrations
	// Compare says what going back from one image to another needs, by their files. An
	// error leaves that open.
	Compare(ctx context.Context, from, to string) (record.Migrations, error)
	// Ask asks the database that the pods of the workloads use which of the migrations
	// are in, and whose locks are held. The error has the code database/none-known where
	// they use none.
	Ask(ctx context.Context, workloads []record.Workload, m record.Migrations) (record.DatabaseState, error)
	// Frozen says why a release that has passed every check does not work with what the
	// databases hold: nil where it does, and where it compares its files with that.
	Frozen(ctx context.Context, workloads []record.Workload) (*record.Cause, error)
	// Start starts pods again that were stopped for the databases' sake, also by a run that
	// died, where what was applied since has not.
	Start(ctx context.Context, workloads []record.Workload) error
	// Unlock frees the locks that killed migrations have left, and gives their tables; it
	// refuses while anybody may be migrating.
	Unlock(ctx context.Context, workloads []record.Workload) ([]record.MigrationTable, error)

	// What follows is one policy about a release that failed with its migrations in; it is
	// not asked for where [Options.OnMigrated] does nothing.

	// PrepareUndo is asked under the lock before a deploy whose rollback will need the
	// databases, and before anything is changed; what it is asked about runs then. It does
	// what has to be done before, such as dumps; its error refuses the deploy.
	PrepareUndo(ctx context.Context, u Undoing) error
	// PlanUndo says in a sentence what Undo is about to do. An error says why it will not
	// be done. Neither changes anything.
	PlanUndo(ctx context.Context, u Undoing) (string, error)
	// Undo does it before the rollback and says what was done, with an error, too.
	Undo(ctx context.Context, u Undoing) (record.DatabaseUndo, error)
}

// Undoing is what a policy about applied migrations is asked about.
type Undoing struct {
	// Applied is what runs: the failed revision, or the live one before a deploy.
	Applied record.Applied
	// Image is the one whose migrations are in, or will be, as REPOSITORY@DIGEST.
	Image string
	// Target is the revision that is to be gone back to.
	Target record.Revision
	// Migrations are those that Image has and the target's image lacks.
	Migrations record.Migrations
	// State is which of them are in the databases; in the order of its Down they are taken
	// back.
	State record.DatabaseState
}

// Cluster is everything a deployment needs of one cluster.
type Cluster struct {
	// Namespace is that of the release, resolved; "" where it is not known.
	Namespace string
	History   History
	Changer   Changer
	Locker    Locker
	Watcher   Watcher
	Prober    Prober
	// Databases may be nil: then nothing is known of them, nor foreseen.
	Databases Databases
	// Check looks for what will make a plan fail: it warns of what may and refuses what
	// would. The concerns come with the refusal; any other error means that nothing could
	// be found out.
	Check func(ctx context.Context, plan record.Plan) ([]record.Concern, error)
}
