package cluster

import (
	"os"
	"path/filepath"
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
