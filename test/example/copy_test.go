package example_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/example"
)

func TestAWorkspaceIsCopiedOverAnEarlierCopy(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	for name, text := range map[string]string{"packages/app/package.json": "new", "node_modules/pg/index.js": "new", "yarn.lock": "new"} {
		require.NoError(t, os.MkdirAll(filepath.Join(from, filepath.Dir(name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(from, name), []byte(text), 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(to, "node_modules"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(to, "yarn.lock"), []byte("an earlier one"), 0o600))

	require.NoError(t, example.Overwrite(from, to))

	for _, name := range []string{"packages/app/package.json", "yarn.lock"} {
		text, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		require.Equal(t, "new", string(text))
	}
	require.DirExists(t, filepath.Join(to, "node_modules"))
	require.NoDirExists(t, filepath.Join(to, "node_modules", "pg"))
}
