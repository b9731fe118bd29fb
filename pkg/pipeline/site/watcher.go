package site

import (
	"context"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout"
)

// watcher gives the rollout package the form that deploy wants.
type watcher struct {
	rollout.Options
	clear func() // takes the pods from the screen
	learner
}

// learner learns the Secrets that pods will get and that were not there yet.
// Relearn reads those again that may have changed, before it is told why pods failed.
type learner interface {
	Learn(ctx context.Context)
	Relearn(ctx context.Context)
}

// learnEvery is more often than a kubelet tries again to start a container whose
// Secret was missing.
const learnEvery = 2 * time.Second

// learning looks for Secrets while pods are watched; stop ends it.
func (w watcher) learning(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		for tick := time.NewTicker(learnEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				if err := record.Guard(func() error { w.Learn(ctx); return nil }); err != nil {
					w.Log.Warn("looking for Secrets while pods are watched", "error", err)
				}
			}
		}
	})
	return func() {
		cancel()
		ended.Wait()
	}
}

func (w watcher) Watch(ctx context.Context, applied record.Applied) (record.Rollout, error) {
	defer w.learning(ctx)()
	defer w.clear() // what follows is not about pods
	result, err := rollout.Watch(ctx, w.Options, applied)
	if err != nil || result.Cause != nil {
		w.Relearn(ctx)
	}
	return result, err
}

func (w watcher) Hold(ctx context.Context, applied record.Applied, d time.Duration) (*record.Cause, []string, error) {
	defer w.learning(ctx)()
	cause, notes, err := rollout.Hold(ctx, w.Options, applied, d)
	if err != nil || cause != nil {
		w.Relearn(ctx)
	}
	return cause, notes, err
}

func (w watcher) Collect(ctx context.Context, applied record.Applied, cause record.Cause) record.Evidence {
	known := rollout.Collect(ctx, w.Options, applied, cause)
	w.Relearn(ctx)
	return known
}
