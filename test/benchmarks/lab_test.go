package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoNameIsUsedTwice(t *testing.T) {
	one, other := &lab{mark: "first"}, &lab{mark: "second"}
	names := map[string]bool{}
	for _, name := range []string{one.fresh("app"), one.fresh("app"), other.fresh("app"), other.fresh("app")} {
		require.Regexp(t, `^[a-z0-9-]+$`, name, "as part of a repository's name")
		names[name] = true
	}
	require.Len(t, names, 4)
}

func TestTheSourceIsCopiedWithoutItsDependencies(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "source")
	for _, name := range []string{"packages/backend/package.json", "node_modules/left-pad/index.js"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(from, name), []byte("{}"), 0o600))
	}

	require.NoError(t, copySource(from, to))

	require.FileExists(t, filepath.Join(to, "packages", "backend", "package.json"))
	require.NoDirExists(t, filepath.Join(to, "node_modules"))
}
