package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stat is a line of /proc/PID/stat.
func stat(name, state, started string) string {
	return fmt.Sprintf("12 (%s) %s %s%s 0 0\n", name, state, strings.Repeat("0 ", 18), started)
}

func TestStartTime(t *testing.T) {
	for name, program := range map[string]string{"an ordinary name": "sandbox", "brackets and spaces": "a) R (b) Z"} {
		t.Run(name, func(t *testing.T) {
			started, err := parseStat(stat(program, "S", "4711"))
			require.NoError(t, err)
			require.Equal(t, "4711", started)
		})
	}
	_, err := parseStat(stat("sandbox", "Z", "4711"))
	require.ErrorIs(t, err, errEnded, "nobody reaps it in a container without an init")
	_, err = parseStat("")
	require.ErrorContains(t, err, "unknown format")
}

func TestAProcessIdThatWasGivenAnewIsNotTheSandbox(t *testing.T) {
	node := testNode(t, 0)
	_, alive := readPid(node)
	require.False(t, alive, "no pid file")
	require.NoError(t, writePid(node, os.Getpid()))
	pid, alive := readPid(node)
	require.True(t, alive)
	require.Equal(t, os.Getpid(), pid)
	require.NoError(t, os.WriteFile(node.Path("pid"), fmt.Appendf(nil, "%d 1\n", os.Getpid()), 0o644))
	_, alive = readPid(node)
	require.False(t, alive, "started at another time")
}

func TestHalfAStartIsNotRunning(t *testing.T) {
	parent := t.TempDir()
	o := Options{Name: "test", Parent: parent}
	node := Node{Name: "test", Dir: filepath.Join(parent, "test")}
	require.NoError(t, os.MkdirAll(node.Dir, 0o755))
	require.NoError(t, os.WriteFile(node.Path("node.json"), fmt.Appendf(nil, `{"name":"test","dir":%q}`, node.Dir), 0o644))
	require.NoError(t, writePid(node, os.Getpid()))
	_, running := Running(o)
	require.False(t, running)
	require.NoError(t, os.WriteFile(node.Path("ready"), nil, 0o644))
	_, running = Running(o)
	require.True(t, running)
}

func TestDownOfNothing(t *testing.T) {
	parent := t.TempDir()
	for _, dir := range []string{filepath.Join(parent, "not-there"), parent} {
		require.NoError(t, Down(t.Context(), Options{Name: "test", Parent: dir}))
	}
}

func TestCommandsWaitForEachOther(t *testing.T) {
	var said strings.Builder
	o := Options{Parent: t.TempDir(), Out: &said}
	unlock, err := lock(t.Context(), o)
	require.NoError(t, err)
	_, err = lock(ended(t), o)
	require.ErrorContains(t, err, "another command about sandboxes holds")
	require.Contains(t, said.String(), "waiting for another command")
	unlock()
	unlock, err = lock(ended(t), o)
	require.NoError(t, err)
	unlock()
}

func TestOnlyTheCgroupsOfTheSandboxAreRemoved(t *testing.T) {
	top := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(top, "sandbox", "pods", "one"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(top, "other"), 0o755))
	require.NoError(t, removeTree(filepath.Join(top, "sandbox")))
	require.NoDirExists(t, filepath.Join(top, "sandbox"))
	require.DirExists(t, filepath.Join(top, "other"))
	require.NoError(t, removeTree(filepath.Join(top, "sandbox")), "again")
}

func TestControllersAreTurnedOnWhereThereIsOneHierarchy(t *testing.T) {
	v1, v2 := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(v2, "cgroup.controllers"), []byte("misc pids\n"), 0o644))
	require.NoError(t, delegate(v1))
	require.NoFileExists(t, filepath.Join(v1, "cgroup.subtree_control"))
	require.NoError(t, delegate(v2))
	content, err := os.ReadFile(filepath.Join(v2, "cgroup.subtree_control"))
	require.NoError(t, err)
	require.Equal(t, "+pids", string(content))
}

func TestStatusTellsWhichComponentsRun(t *testing.T) {
	node := testNode(t, 0)
	require.NoError(t, os.MkdirAll(node.Path("components"), 0o755))
	require.NoError(t, writePid(node, os.Getpid()))
	// The test's own root and processes stand for the node's.
	for name, pid := range map[string]int{"etcd": os.Getpid(), "kubelet": 1 << 30} {
		require.NoError(t, os.WriteFile(node.Path("components", name), fmt.Appendf(nil, "%d\n", pid), 0o644))
	}
	all, err := Components(node)
	require.NoError(t, err)
	require.Equal(t, []Component{{"etcd", true, os.Getpid()}, {"kubelet", false, 1 << 30}}, all)
}
