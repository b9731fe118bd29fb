package pipeline

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// task is a stage that is ready to run.
type task struct {
	stage
	work work
}

// running is the state of one run.
type running struct {
	over map[key]chan struct{} // closed when the task that makes it is over

	mu     sync.Mutex
	values map[key]any
	ended  map[key]outcome
}

// outcome is how a stage ended; the zero value means that it never began.
type outcome int

const (
	failed outcome = iota + 1
	succeeded
)

// runAll runs the tasks, each when what it needs is there. The first error ends the
// others; what that did to them is left out, unless they have a no of their own. The
// errors are in the order of the tasks. given are outputs that are there already.
func runAll(ctx context.Context, tasks []task, given map[key]any) error {
	// Without a cause: it would come back as the error of every task.
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &running{over: map[key]chan struct{}{}, values: map[key]any{}, ended: map[key]outcome{}}
	maps.Copy(r.values, given)
	for _, t := range tasks {
		r.over[t.gives] = make(chan struct{})
	}
	problems := make([]error, len(tasks))
	var all sync.WaitGroup
	for i, t := range tasks {
		all.Go(func() {
			defer close(r.over[t.gives])
			if err := record.Guard(func() error { return r.one(ctx, inner, t) }); err != nil {
				problems[i] = err
				cancel()
			}
		})
	}
	all.Wait()
	return record.Problems(problems...)
}

// one waits for what a task needs and runs it: within inner, which the first failure
// ends, or where it follows what may have failed, within outer. Its error is nil
// where the task only tells that another one has failed.
func (r *running) one(outer, inner context.Context, t task) error {
	for _, key := range t.before() {
		if over, inSlice := r.over[key]; inSlice {
			<-over
		}
	}
	ctx := inner
	if len(t.however) > 0 {
		ctx = outer
	}
	// After a signal each one says itself what that did to it.
	ended := len(t.before()) > 0 && ctx.Err() != nil && outer.Err() == nil
	if ended || !r.mayBegin(t) {
		return nil
	}
	var out any
	err := record.Guard(func() (err error) {
		out, err = t.work(ctx, r.inputs(t))
		return err
	})
	r.note(t, out, err)
	late := inner.Err() != nil && outer.Err() == nil
	if late && (errors.Is(err, context.Canceled) || record.KindOf(err) == record.KindUnavailable) {
		return nil
	}
	return err
}

// mayBegin reports whether what a task needs was made.
func (r *running) mayBegin(t task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range t.before() {
		_, inSlice := r.over[key]
		tried := slices.Contains(t.however, key) && r.ended[key] == failed
		if inSlice && !tried && r.ended[key] != succeeded {
			return false
		}
	}
	return true
}

func (r *running) inputs(t task) inputs {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := inputs{declared: slices.Concat(t.before(), t.along), values: map[key]any{}}
	for _, key := range in.declared {
		if value, found := r.values[key]; found {
			in.values[key] = value
		}
	}
	return in
}

func (r *running) note(t task, out any, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values[t.gives], r.ended[t.gives] = out, succeeded
	if err != nil {
		r.ended[t.gives] = failed
	}
}
