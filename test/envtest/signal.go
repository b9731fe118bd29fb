package envtest

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Process is one of the machine, as /proc tells of it.
type Process struct {
	Command string // its arguments, a NUL behind each
	Groups  string // its control groups, a line each
}

// Signal sends a signal to the processes of the machine, pods' too, that are wanted. It gives
// their number.
func Signal(t *testing.T, signal syscall.Signal, wanted func(Process) bool) (sent int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, process := range all {
		command, err := os.ReadFile(filepath.Join(process, "cmdline"))
		if err != nil {
			continue // it has ended
		}
		groups, err := os.ReadFile(filepath.Join(process, "cgroup"))
		if err != nil || !wanted(Process{string(command), string(groups)}) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, signal))
		sent++
	}
	return sent
}
