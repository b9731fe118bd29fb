package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func recipeNamed(t *testing.T, name string) recipe {
	t.Helper()
	v, err := readNPMVersions()
	require.NoError(t, err)
	for _, r := range recipes(v) {
		if r.name == name {
			return r
		}
	}
	require.Fail(t, "no recipe", name)
	return recipe{}
}

func TestImagesAnswerToTheUsualNamesAndStartAsTheOfficialOnes(t *testing.T) {
	pause := recipeNamed(t, "pause")
	require.Equal(t, []string{"registry.k8s.io/pause:3.10"}, pause.names)
	require.Equal(t, "65535:65535", pause.config.User)

	busybox := recipeNamed(t, "busybox")
	require.Contains(t, busybox.names, "docker.io/library/busybox:1.36")
	require.Equal(t, []string{"sh"}, busybox.config.Cmd)

	node := recipeNamed(t, "node")
	require.Contains(t, node.names, "docker.io/library/node:22-bookworm-slim")
	require.Contains(t, node.names, "docker.io/library/node:22.23.3-bookworm-slim")
	require.Contains(t, node.config.Env, "NODE_VERSION=22.23.3")
	require.Equal(t, []string{"docker-entrypoint.sh"}, node.config.Entrypoint)
	require.Empty(t, node.config.User, "the official image leaves the user to the one who builds on it")

	postgres := recipeNamed(t, "postgres")
	require.Contains(t, postgres.names, "docker.io/library/postgres:14")
	require.Contains(t, postgres.names, "docker.io/library/postgres:14.23-bookworm")
	require.Contains(t, postgres.config.Env, "PGDATA=/var/lib/postgresql/data")
	require.Contains(t, postgres.config.Volumes, "/var/lib/postgresql/data")
	require.Contains(t, postgres.config.ExposedPorts, "5432/tcp")
	require.Equal(t, "SIGINT", postgres.config.StopSignal)
}

func TestAnImagesKeyFollowsItsInputsAndNoOthers(t *testing.T) {
	set := func(base, other string) debSet {
		return debSet{"base": {{Name: "libc6", Version: base}}, "busybox": {{Name: "busybox", Version: other}}}
	}
	node := recipeNamed(t, "node")
	require.Equal(t, node.key(set("1", "1")), node.key(set("1", "2")))
	require.NotEqual(t, node.key(set("1", "1")), node.key(set("2", "1")))
	require.NotEqual(t, node.key(set("1", "1")), recipeNamed(t, "postgres").key(set("1", "1")))
	changed := node
	changed.config.Cmd = []string{"other"}
	require.NotEqual(t, node.key(set("1", "1")), changed.key(set("1", "1")))
}

func TestNodesEntryPointChoosesTheProgram(t *testing.T) {
	dir := t.TempDir()
	script := func(name, body string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, []byte(body), mode))
		return p
	}
	script("node", "#!/bin/sh\necho node \"$@\"\n", 0o755)
	entry := script("entry", string(mustFile("node-entrypoint.sh")), 0o755)
	plain := script("app.js", "", 0o644)

	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a flag of node's":             {[]string{"--version"}, "node --version\n"},
		"a script":                     {[]string{plain, "x"}, "node " + plain + " x\n"},
		"a name that is no program":    {[]string{"packages/backend"}, "node packages/backend\n"},
		"a program":                    {[]string{"echo", "a  b"}, "a  b\n"},
		"node itself":                  {[]string{"node", "-p", "1"}, "node -p 1\n"},
		"nothing, which is node's own": {nil, "node\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(entry, c.args...)
			cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, c.want, string(out))
		})
	}
}
