package envtest

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSignalReachesTheProcessesThatAreWanted(t *testing.T) {
	wanted, other := exec.CommandContext(t.Context(), "sleep", "300.25"), exec.CommandContext(t.Context(), "sleep", "300.5")
	require.NoError(t, wanted.Start())
	require.NoError(t, other.Start())
	t.Cleanup(func() { _, _ = other.Process.Kill(), other.Wait() })
	require.Equal(t, 1, Signal(t, syscall.SIGKILL, func(p Process) bool { return strings.HasPrefix(p.Command, "sleep\x00300.25\x00") && p.Groups != "" }))
	var ended *exec.ExitError
	require.ErrorAs(t, wanted.Wait(), &ended)
	require.Equal(t, syscall.SIGKILL, ended.Sys().(syscall.WaitStatus).Signal())
	require.NoError(t, other.Process.Signal(syscall.Signal(0)), "the other one runs")
}
