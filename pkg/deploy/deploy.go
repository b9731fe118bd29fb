// Package deploy is the state machine of a deployment:
//
//	preflight -> lock -> baseline -> apply -> watch -> smoke -> good
//	on failure: rolling-back -> re-gating -> rolled-back | needs-human
//
// It decides; Helm, the watcher and the smoke checks do. They stand behind the
// small interfaces of this package.
package deploy

import (
	"context"
	"log/slog"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Releases is Helm's record of a release, with a verdict for each revision.
type Releases interface {
	// History gives the revisions, newest first; none for a new release.
	History(ctx context.Context) ([]pipeline.Revision, error)
	// Describe says what an existing revision consists of.
	Describe(ctx context.Context, revision int) (pipeline.Applied, error)
	// Mark writes the verdict of a revision into the cluster.
	Mark(ctx context.Context, revision int, mark pipeline.Mark) error
}

// Applier changes the cluster. Both methods return when the API server has taken
// the objects, without waiting for pods, and mark the new revision pending. When
// an error comes with a revision, that revision stands in the history.
type Applier interface {
	Apply(ctx context.Context, image pipeline.Verified) (pipeline.Applied, error)
	Rollback(ctx context.Context, to int) (pipeline.Applied, error)
}

// Locker makes sure that one run at a time changes a release. held is cancelled
// when another run has taken the lock over.
type Locker interface {
	Lock(ctx context.Context, holder string) (held context.Context, unlock func(context.Context) error, err error)
}

// Watcher waits until a rollout is complete or certain to fail; ctx's deadline
// is its budget.
type Watcher interface {
	Watch(ctx context.Context, workloads []pipeline.Workload) (pipeline.Rollout, error)
}

// Prober sends the smoke checks to each pod and through each Service.
type Prober interface {
	Probe(ctx context.Context, pods []pipeline.Pod, services []pipeline.Service) ([]pipeline.Check, error)
}

// Cluster is everything a deployment needs of one cluster.
type Cluster struct {
	Releases Releases
	Applier  Applier
	Locker   Locker
	Watcher  Watcher
	Prober   Prober
}

// causer is an error that names what made an apply fail, see [pipeline.Cause].
type causer interface{ DeployCause() pipeline.Cause }

// Options describe one deployment or rollback.
type Options struct {
	// Release and Namespace are for messages and the result only.
	Release, Namespace string
	// Timeout bounds a deploy without its rollback; default 10 minutes.
	Timeout time.Duration
	// RollbackTimeout bounds a rollback with its checks; default 5 minutes.
	RollbackTimeout time.Duration
	// Holder names this run in the lock.
	Holder string
	// Connect makes fresh clients; a rollback does not use those of the deploy.
	Connect func() (Cluster, error)
	Log     *slog.Logger
}

const (
	defaultTimeout         = 10 * time.Minute
	defaultRollbackTimeout = 5 * time.Minute
	// actAfterCancel is how long a cancelled run may still take: GitHub kills a
	// step ten seconds after the first signal.
	actAfterCancel = 7 * time.Second
)

// Result is how a deployment ended.
type Result struct {
	Verdict pipeline.Verdict
	Image   pipeline.Image // what was to be deployed, or was rolled back to where known
	Release pipeline.Release
	Cause   *pipeline.Cause
	Phases  []pipeline.Phase
	Checks  []pipeline.Check
	// Advice is a sentence for the person on call, "" when nothing is to be done.
	Advice string
}

// run is the state of one deployment or rollback.
type run struct {
	Options
	cluster Cluster
	result  Result
}

func newRun(o Options) (*run, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.RollbackTimeout <= 0 {
		o.RollbackTimeout = defaultRollbackTimeout
	}
	cluster, err := o.Connect()
	if err != nil {
		return nil, err
	}
	r := &run{Options: o, cluster: cluster}
	r.result.Verdict = pipeline.VerdictUnknown
	r.result.Release = pipeline.Release{Name: o.Release, Namespace: o.Namespace}
	return r, nil
}

// phase runs one step and notes its time and result.
func (r *run) phase(name string, step func() error) error {
	r.Log.Info(name)
	start := time.Now()
	err := step()
	p := pipeline.Phase{Name: name, Start: start, End: time.Now(), Result: "ok"}
	if err != nil {
		p.Result = "failed"
	}
	r.result.Phases = append(r.result.Phases, p)
	return err
}

// locked runs body while holding the release's lock.
func (r *run) locked(ctx context.Context, body func(context.Context) error) error {
	var held context.Context
	var unlock func(context.Context) error
	err := r.phase("lock", func() (err error) {
		held, unlock, err = r.cluster.Locker.Lock(ctx, r.Holder)
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), actAfterCancel)
		defer cancel()
		if err := unlock(after); err != nil {
			r.Log.Warn("releasing the lock", "error", err)
		}
	}()
	return body(held)
}
