package actions_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// newer are keys that GitHub knows and act does not (v0.2.89 refuses the whole file):
// they say who waits for whom, and what GitHub shows, and act does neither. And with any
// ref, also an empty one, it takes a checkout for one of elsewhere.
var newer = regexp.MustCompile(`(?m)^\s+(queue: max|deployment: false|ref: \$\{\{ inputs\.ref \}\})(?: #.*)?\n`)

// repository is a clone of this one, with what is not committed, that act reads.
func repository(t *testing.T) string {
	t.Helper()
	root, dir := envtest.Env(t, "E2E_ROOT"), t.TempDir()
	for _, script := range []string{`git clone -q --shared "$root" "$dir"`, `cd "$root" && git ls-files -coz --exclude-standard | tar --null -T - -c | tar -x -C "$dir"`} {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		cmd.Env = append(os.Environ(), "root="+root, "dir="+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	workflows, err := filepath.Glob(filepath.Join(dir, ".github", "workflows", "*.yml"))
	require.NoError(t, err)
	for _, file := range workflows {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, newer.ReplaceAll(content, nil), 0o600))
	}
	return dir
}
