// Package bounded leaves behind what takes no context and does not end.
package bounded

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Read does work that only reads and takes no context, as Helm's storage: when ctx
// ends first, the work is left behind. A panic of the work is an error.
func Read[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		if err := record.Guard(func() error { a.value, a.err = work(); return nil }); err != nil {
			a.err = err
		}
		done <- a
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
