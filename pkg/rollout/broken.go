package rollout

import (
	"errors"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// notePanic notes a panic in a goroutine of the watch, and wakes whoever waits for it.
func (w *watch) notePanic(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken == nil {
		w.broken = err
	}
	w.notify()
}

// panicked is the panic that ends the watch, nil for none.
func (w *watch) panicked() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return panicked(w.broken)
}

// guarded does work in a goroutine of the watch.
func (w *watch) guarded(work func()) {
	if err := record.Guard(func() error { work(); return nil }); err != nil {
		w.notePanic(err)
	}
}

// panicked gives a panic its code: nothing is known of the rollout.
func panicked(err error) error {
	if p := (*record.Panicked)(nil); errors.As(err, &p) {
		return record.Unavailable("rollout/panicked", "watching the rollout: %w", err)
	}
	return err
}
