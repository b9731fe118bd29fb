package cli

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWhoeverIsToldAtTheEndChangesNothingOfIt(t *testing.T) {
	breaks(t)
	s := testSession("deploy", config.Settings{}, nil, io.Discard, io.Discard)
	var last record.Record
	s.atEnd(func(context.Context, record.Record) { panic("a bug") })
	s.atEnd(func(_ context.Context, r record.Record) { last = r })
	s.Update(func(r *record.Record) { r.Verdict = record.VerdictRolledBack })
	require.Equal(t, exitRolledBack, s.finish(nil))
	require.Equal(t, record.VerdictRolledBack, last.Verdict)
}

func TestASlowOneOfThoseWhoAreToldLeavesTheOthersTheirTime(t *testing.T) {
	s := testSession("run", config.Settings{}, nil, io.Discard, io.Discard)
	told := make(chan struct{})
	s.atEnd(func(ctx context.Context, _ record.Record) {
		select {
		case <-told:
		case <-ctx.Done():
			t.Error("the first waited for the second in vain")
		}
	})
	s.atEnd(func(context.Context, record.Record) { close(told) })
	s.finish(nil)
}

func TestWhoeverIsToldHasLittleTimeAndAfterASignalLess(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(*session) int
		limit time.Duration
	}{
		"by itself":          {func(s *session) int { return s.finish(nil) }, tellTime},
		"after a signal":     {func(s *session) int { return s.cancel(nil) }, tellTimeAfterSignal},
		"in spite of itself": {(*session).abort, tellTimeAfterSignal},
	} {
		t.Run(name, func(t *testing.T) {
			s := testSession("deploy", config.Settings{}, nil, io.Discard, io.Discard)
			var left time.Duration
			s.atEnd(func(ctx context.Context, _ record.Record) {
				end, bounded := ctx.Deadline()
				require.True(t, bounded)
				left = time.Until(end)
			})
			c.end(s)
			require.Positive(t, left)
			require.LessOrEqual(t, left, c.limit)
		})
	}
	require.Less(t, tellTimeAfterSignal, writeTime, "the process is ended then")
}
