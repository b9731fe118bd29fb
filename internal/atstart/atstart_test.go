package atstart

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAfterTheFirstCollectionGarbageIsCollectedAsEver(t *testing.T) {
	for {
		runtime.GC()
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		if percent > 0 {
			break
		}
		runtime.Gosched() // the cleanup runs beside us
	}
	require.Greater(t, debug.SetMemoryLimit(-1), int64(1)<<40)
}
