package cli

import (
	"context"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// tellTime bounds how long a run that has ended tells others of it.
	tellTime = 5 * time.Second
	// tellTimeAfterSignal is the same after a signal, within [writeTime].
	tellTimeAfterSignal = time.Second
)

// tellers tell others how a run ended. Nothing of that changes how it did.
type tellers struct {
	mu  sync.Mutex
	all []func(context.Context, record.Record)
}

func (t *tellers) atEnd(tell func(context.Context, record.Record)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, tell)
}

// tell has the record told, all within the time and side by side: a slow one leaves the
// others theirs.
func (t *tellers) tell(rec record.Record) {
	t.mu.Lock()
	all := t.all
	t.mu.Unlock()
	if len(all) == 0 {
		return
	}
	limit := tellTime
	if rec.Verdict == record.VerdictCancelled {
		limit = tellTimeAfterSignal
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit) //nolint:forbidigo // what is told outlives a run that is cancelled
	defer cancel()
	var tasks sync.WaitGroup
	for _, one := range all {
		tasks.Go(func() {
			_ = record.Guard(func() error { one(ctx, rec); return nil }) // a panic is on record
		})
	}
	tasks.Wait()
}
