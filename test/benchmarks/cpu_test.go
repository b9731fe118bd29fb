package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheProcessorsCountForAProcessAndForWhatItStarted(t *testing.T) {
	stat := "7 (a name) with (brackets) S 1 7 7 0 -1 4194560 100 200 0 0 1 20 300 4000 20 0 1 0 5 6 7 8"
	require.Equal(t, 43210*time.Millisecond, usedOf([]byte(stat)))
	for _, broken := range []string{"", "7 (short) S 1", "7 (x) S 1 7 7 0 -1 4194560 100 200 0 0 x 20 300 4000 20"} {
		require.Zero(t, usedOf([]byte(broken)), broken)
	}
	for start := time.Now(); time.Since(start) < 10*time.Second && used(os.Getpid()) == 0; {
		continue // until a tick has passed
	}
	require.Positive(t, used(os.Getpid()))
	require.Zero(t, used(-1))
}
