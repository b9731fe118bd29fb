package checks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

func TestAQuickLookWaitsAsLongAsAnAnswerMayTake(t *testing.T) {
	slow := Suite{Timeout: 20 * time.Second, Checks: []Check{{All: expect.All{expect.MaxLatency(8 * time.Second)}}}}.Quick()
	require.Equal(t, 8*time.Second, slow.Budget)
	require.Equal(t, 8*time.Second, slow.Timeout)
	short := Suite{Budget: 2 * time.Second, Interval: time.Minute, Attempts: 2}.Quick()
	require.Equal(t, []any{2 * time.Second, 2 * time.Second, time.Second, 2}, []any{short.Budget, short.Timeout, short.Interval, short.Attempts})
}
