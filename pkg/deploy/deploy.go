// Package deploy is the state machine of a deployment, see table.go. It decides;
// Helm, the watcher and the smoke checks do. They stand behind the small
// interfaces of cluster.go.
package deploy

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Options describe one deployment, rollback, gate or recovery.
type Options struct {
	// Release and Namespace are for messages and the result only; the namespace is
	// that of the cluster where it is known there.
	Release, Namespace string
	// Timeout bounds a deploy without its soak and its rollback; 0 is no limit.
	Timeout time.Duration
	// RollbackTimeout bounds a rollback with its checks; 0 is no limit.
	RollbackTimeout time.Duration
	// Soak is how long the new pods must stay well after the last of them was ready,
	// while the smoke checks run: 0 leaves it to the watcher, which knows their
	// liveness probes, and a negative value leaves it out.
	Soak time.Duration
	// Asks says that there are smoke checks: a revision that none of them was sent to
	// is not proven.
	Asks bool
	// Verify checks the signature of an image that is to be gone back to, as that of a
	// deploy was. An error of [record.KindRefused] makes a revision no target; with
	// any other the image could not be looked at. nil checks nothing.
	Verify func(context.Context, record.Image) error
	// Unlock has a recovery free the locks first that killed migrations have left.
	Unlock bool
	// OnMigrated is the policy that the [Databases] were made with: they are not asked for
	// one that does nothing.
	OnMigrated record.MigratedPolicy
	// DryRun ends a deploy or rollback after its preflight and changes nothing.
	DryRun bool
	// Holder names this run in the lock.
	Holder string
	// Withhold are secret values that must not appear in evidence.
	Withhold []string
	// Connect makes fresh clients; a rollback does not use those of the deploy.
	Connect func() (Cluster, error)
	// Keep stores evidence before anything is rolled back and says where; may be nil.
	Keep func(record.Evidence) ([]string, error)
	// Report gets the result as it stands at the begin of each phase, so that a
	// process that must end at once can tell what it did; may be nil.
	Report func(record.Record)
	Log    *slog.Logger

	saw func(state, event) // is told how each action ended; for tests, may be nil
}

// unlimited is longer than anybody waits.
const unlimited = 10 * 365 * 24 * time.Hour

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Timeout, o.RollbackTimeout = cmp.Or(o.Timeout, unlimited), cmp.Or(o.RollbackTimeout, unlimited)
	return o
}

// Deploy brings image into production and proves it, or puts the last
// verified-good revision back. The record holds what the deployment knows: the image is
// what was to be deployed, or was gone back to where known; the changes are those of a
// dry run. An error means that the run ended without a
// verdict about the new revision: refused, unreachable or wrong input.
func Deploy(ctx context.Context, image record.Verified, o Options) (record.Record, error) {
	if image.Image() == (record.Image{}) {
		return record.Record{Verdict: record.VerdictUnknown}, record.BadInput("deploy/no-image", "deploying release %q: there is no image; a verified one is wanted, by digest", o.Release)
	}
	return start(ctx, o, deploying, func(r *run) { r.image, r.result.Image = image, image.Image() })
}

// Rollback puts an earlier revision back by hand and proves it. The verdict is
// good when it serves and passed; an error means that nothing was changed.
func Rollback(ctx context.Context, to revisions.RollbackTo, o Options) (record.Record, error) {
	return start(ctx, o, goingBack, func(r *run) { r.wanted = to })
}

// Recover finishes what a dead or cancelled run left: it judges a live revision
// without a verdict, and replaces one that is bad or was applied in part by the
// last verified-good one.
func Recover(ctx context.Context, o Options) (record.Record, error) {
	return start(ctx, o, recovering, func(*run) {})
}

// Gate judges the newest revision, which another tool applied, and writes the
// verdict. It changes nothing else. The verdict refused says that it is bad.
func Gate(ctx context.Context, o Options) (record.Record, error) {
	return start(ctx, o, gating, func(*run) {})
}
