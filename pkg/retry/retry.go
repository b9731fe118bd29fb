// Package retry tries again what failed for a reason that passes. How long it waits
// is the work of github.com/cenkalti/backoff.
package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Policy says how often and after which waits something is tried again.
type Policy struct {
	// Attempts counts the first one; zero means until the context ends. An attempt
	// that came nearer to the end than those before it does not count.
	Attempts int
	// First is the wait before the second attempt; each further one is twice as long.
	First time.Duration
	// Longest bounds one wait, also the one that was asked for by an [After].
	Longest time.Duration
}

// Hooks are what a policy has to know about one thing that is tried.
type Hooks struct {
	// Temporary reports whether another attempt may not meet the error.
	Temporary func(error) bool
	// Waiting, when given, is told before each wait which attempt failed, and why.
	Waiting func(attempt int, wait time.Duration, cause error)
}

// After is an error with the wait that the other side asked for.
type After struct {
	error
	Wait time.Duration
}

// NewAfter makes one of err.
func NewAfter(err error, wait time.Duration) *After { return &After{error: err, Wait: wait} }

// Unwrap gives the error without the wait.
func (a *After) Unwrap() error { return a.error }

// Do calls try until it succeeds, fails for good, or the attempts are used up, and
// gives its last error. That is so, too, when the context ends during a wait.
func Do(ctx context.Context, p Policy, h Hooks, try func() error) error {
	return WhileMoving(ctx, p, h, func() (int64, error) { return 0, try() })
}

// WhileMoving is Do for something that can come nearer to its end with each attempt,
// which try tells: attempts and waits begin anew when it did.
func WhileMoving(ctx context.Context, p Policy, h Hooks, try func() (reached int64, err error)) error {
	waits := newWaits(p)
	attempt, furthest, last := 0, int64(0), error(nil)
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		attempt++
		var reached int64
		reached, last = try()
		if last == nil || !h.Temporary(last) {
			return struct{}{}, permanent(last)
		}
		if reached > furthest {
			attempt, furthest = 1, reached
			waits.Reset()
		}
		if p.Attempts > 0 && attempt >= p.Attempts {
			if attempt > 1 {
				last = fmt.Errorf("trying %d times: %w", attempt, last)
			}
			return struct{}{}, permanent(last)
		}
		waits.ask(last)
		return struct{}{}, last
	}, backoff.WithBackOff(waits), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(_ error, wait time.Duration) {
		if h.Waiting != nil {
			h.Waiting(attempt, wait, last)
		}
	}))
	if err == nil {
		return nil
	}
	return last
}

// permanent is nil for nil.
func permanent(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err)
}

// Waits gives the waits of a policy one after the other, for what cannot be one function
// that is tried.
func (p Policy) Waits() (next func() time.Duration) { return newWaits(p).NextBackOff }

// waits grow, unless the other side asks for longer ones. A half of each is chance, so
// that what failed together does not come back together.
type waits struct {
	*backoff.ExponentialBackOff
	longest, asked time.Duration
}

func newWaits(p Policy) *waits {
	// The library adds a third or takes one away: what comes out is between the half
	// of a wait and the whole.
	grow := &backoff.ExponentialBackOff{InitialInterval: p.First * 3 / 4, RandomizationFactor: 1.0 / 3, Multiplier: 2, MaxInterval: p.Longest * 3 / 4}
	grow.Reset()
	return &waits{ExponentialBackOff: grow, longest: p.Longest}
}

func (w *waits) ask(cause error) {
	w.asked = 0
	var after *After
	if errors.As(cause, &after) {
		w.asked = after.Wait
	}
}

// NextBackOff implements [backoff.BackOff].
func (w *waits) NextBackOff() time.Duration {
	return min(max(w.ExponentialBackOff.NextBackOff(), w.asked), w.longest)
}

// Sleep waits. Its error is that of a context that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Limited bounds what is done by a limit; 0 is none. Call cancel when it is over.
func Limited(ctx context.Context, limit time.Duration) (limited context.Context, cancel context.CancelFunc) {
	if limit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}
