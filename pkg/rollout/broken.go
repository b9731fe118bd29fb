package rollout

import (
	"errors"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// breaks notes a panic in a goroutine of the watch, and wakes whoever waits for it.
func (w *watch) breaks(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = err
	}
	w.notify()
}

// broke is the panic that ends the watch, nil for none.
func (w *watch) broke() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return panicked(w.broken)
}

// guarded does work in a goroutine of the watch.
func (w *watch) guarded(work func()) {
	if err := record.Guard(func() error { work(); return nil }); err != nil {
		w.breaks(err)
	}
}

// panicked gives a panic its code: nothing is known of the rollout.
func panicked(err error) error {
	if p := (*record.Panicked)(nil); errors.As(err, &p) {
		return record.Unavailable("rollout/panicked", "watching the rollout: %w", err)
	}
	return err
}
