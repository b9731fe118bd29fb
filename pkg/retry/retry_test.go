package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/retry"
)

var (
	errPassing = errors.New("it passes")
	errForGood = errors.New("it does not pass")
	policy     = retry.Policy{Attempts: 4, First: time.Second, Longest: 3 * time.Second}
)

// try runs the answers one by one, the last one again and again, and gives the waits.
func try(ctx context.Context, p retry.Policy, answers ...error) (attempts int, waited []time.Duration, err error) {
	err = retry.Do(ctx, p, retry.Hooks{
		Temporary: func(err error) bool { return !errors.Is(err, errForGood) },
		Waiting:   func(_ int, wait time.Duration, _ error) { waited = append(waited, wait) },
	}, func() error {
		answer := answers[min(attempts, len(answers)-1)]
		attempts++
		return answer
	})
	return attempts, waited, err
}

func TestPolicy_WaitsGrowToTheLongestAndAHalfOfEachIsChance(t *testing.T) {
	next := policy.Waits()
	for _, most := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
		wait := next()
		require.LessOrEqual(t, wait, most)
		require.GreaterOrEqual(t, wait, most/2)
	}
}

func TestDo(t *testing.T) {
	for name, c := range map[string]struct {
		answers  []error
		attempts int
		err      string
	}{
		"it works":                 {[]error{nil}, 1, ""},
		"it works at last":         {[]error{errPassing, errPassing, nil}, 3, ""},
		"it fails for good":        {[]error{errPassing, errForGood}, 2, "it does not pass"},
		"the attempts are used up": {[]error{errPassing}, 4, "trying 4 times: it passes"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts, waited, err := try(t.Context(), policy, c.answers...)
				require.Equal(t, c.attempts, attempts)
				require.Len(t, waited, attempts-1)
				for i, wait := range waited {
					longest := min(time.Second<<i, policy.Longest)
					require.GreaterOrEqual(t, wait, longest/2)
					require.LessOrEqual(t, wait, longest)
				}
				if c.err == "" {
					require.NoError(t, err)
					return
				}
				require.EqualError(t, err, c.err)
			})
		})
	}
}

func TestDo_WaitsAsLongAsItIsAsked(t *testing.T) {
	for name, c := range map[string]struct{ asked, want time.Duration }{
		"longer than it would": {2 * time.Second, 2 * time.Second},
		"longer than it may":   {time.Hour, policy.Longest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, waited, err := try(t.Context(), policy, retry.NewAfter(errPassing, c.asked), nil)
				require.NoError(t, err)
				require.Equal(t, []time.Duration{c.want}, waited)
			})
		})
	}
}

func TestDo_EndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		attempts, _, err := try(ctx, retry.Policy{First: time.Second, Longest: 3 * time.Second}, errPassing)
		require.Greater(t, attempts, 3)
		require.ErrorIs(t, err, errPassing, "what went wrong says more than that the time is over")
		require.Error(t, ctx.Err())
	})
}

func TestWhileMoving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waited []time.Duration
		at := int64(0)
		err := retry.WhileMoving(t.Context(), retry.Policy{Attempts: 2, First: time.Second, Longest: time.Minute}, retry.Hooks{
			Temporary: func(error) bool { return true },
			Waiting:   func(_ int, wait time.Duration, _ error) { waited = append(waited, wait) },
		}, func() (int64, error) {
			at = min(at+1, 5)
			return at, errPassing
		})
		require.EqualError(t, err, "trying 2 times: it passes")
		require.Len(t, waited, 5, "each step forward gives an attempt")
		for _, wait := range waited {
			require.LessOrEqual(t, wait, time.Second)
		}
	})
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, retry.Sleep(t.Context(), time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, retry.Sleep(ctx, time.Hour), context.Canceled)
	})
}

func TestLimited_ZeroIsNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endless, cancel := retry.Limited(t.Context(), 0)
		defer cancel()
		brief, cancel := retry.Limited(t.Context(), time.Minute)
		defer cancel()
		time.Sleep(time.Hour)
		require.NoError(t, endless.Err())
		require.ErrorIs(t, brief.Err(), context.DeadlineExceeded)
	})
}
