package actions_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// A build that fails ends the workflow, whose outputs then are those of the build: no
// deploy has its own.
func TestABuildThatFailsSaysWhy(t *testing.T) {
	envtest.Env(t, "ACT_BIN")
	file := filepath.Join(t.TempDir(), "stagecrew.yaml")
	// The example as it is committed: nothing is installed.
	require.NoError(t, os.WriteFile(file, []byte("source: examples/minimal\nrepository: 127.0.0.1:1/team/app\nrelease: portal\n"), 0o600))
	a := act{t: t, vars: map[string]string{"STAGECREW_CONFIG": file, "STAGECREW_BINARY": envtest.Env(t, "E2E_STAGECREW")}}
	jobs := a.run("release", "-W", ".github/workflows/deploy.yml", "-e", event(t, map[string]any{
		"action": "released", "ref": "refs/tags/v1.0.0", "release": map[string]any{"tag_name": "v1.0.0"},
	}))
	build := jobs["deploy/build"]
	require.Equal(t, "failure", build.result, build.log)
	require.Equal(t, "error", build.outputs["verdict"])
	require.Equal(t, "build/no-dependencies", build.outputs["cause-code"])
	require.Contains(t, build.outputs["cause"], "node_modules is missing")
	require.NotContains(t, jobs, "deploy/deploy", "nothing is deployed")
}
