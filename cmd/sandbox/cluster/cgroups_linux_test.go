package cluster

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// systemd takes controllers away from cgroups that no unit asks for, whenever it reloads.
func TestControllersThatWereTakenAwayAreTurnedOnAgain(t *testing.T) {
	hierarchy := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(hierarchy, "cgroup.controllers"), []byte("cpuset rdma\n"), 0o600))
	control := filepath.Join(hierarchy, "cgroup.subtree_control")
	require.NoError(t, delegate(hierarchy))
	require.NoError(t, os.Remove(control))
	require.NoError(t, delegate(hierarchy))
	written, err := os.ReadFile(control)
	require.NoError(t, err)
	require.Equal(t, "+cpuset", string(written))
}

// Otherwise every process of the host would get as much as all pods together.
func TestThePodsWeighMoreThanOneProcess(t *testing.T) {
	for file, one := range map[string]int{"cpu.shares": 1024, "cpu.weight": 100} {
		dir := t.TempDir()
		path := filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(one)), 0o600))
		require.NoError(t, weigh(dir))
		written, err := os.ReadFile(path)
		require.NoError(t, err)
		weight, err := strconv.Atoi(string(written))
		require.NoError(t, err)
		require.GreaterOrEqual(t, weight, 8*one, file)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "what the hierarchy does not have is not made")
	}
}
