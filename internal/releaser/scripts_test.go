package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// script runs a script of the workflow release.yml.
func script(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join("..", "..", ".github", "release", name), args...).CombinedOutput()
	return string(out), err
}

func TestWhatIsPublishedIsLookedAt(t *testing.T) {
	root := repository(t, t.TempDir())
	dist := filepath.Join(root, "dist")
	require.NoError(t, run(t.Context(), []string{"-version", "1.0.0", "-root", root, "-dir", dist, "-platforms", here}))
	sums := filepath.Join(root, "SUMS")
	require.NoError(t, os.Rename(filepath.Join(dist, "SHA256SUMS"), sums))
	program := filepath.Join(dist, "stagecrew_1.0.0_"+strings.ReplaceAll(here, "/", "_"))
	require.NoError(t, os.Remove(program), "it travels in its archive")
	out, err := script(t, "assets", sums, dist)
	require.NoError(t, err, out)

	for name, spoil := range map[string]func(t *testing.T){
		"a file too much":      func(t *testing.T) { require.NoError(t, os.WriteFile(filepath.Join(dist, "more.txt"), nil, 0o600)) },
		"a file that changed":  func(t *testing.T) { require.NoError(t, os.WriteFile(program+".cdx.json", []byte("{}"), 0o600)) },
		"a file that is gone":  func(t *testing.T) { require.NoError(t, os.Remove(program+".cdx.json")) },
		"an archive of others": func(t *testing.T) { require.NoError(t, os.WriteFile(program+".gz", []byte("x"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			keep := t.TempDir()
			require.NoError(t, exec.CommandContext(t.Context(), "cp", "-R", dist+"/.", keep).Run())
			spoil(t)
			out, err := script(t, "assets", sums, dist)
			require.Error(t, err, out)
			require.NoError(t, os.RemoveAll(dist))
			require.NoError(t, os.Rename(keep, dist))
		})
	}
}

func TestNotesAreThoseOfTheVersion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "CHANGELOG.md")
	require.NoError(t, os.WriteFile(file, []byte("# Changelog\n\n## 1.1.0\n\nNew.\n\n### More\n\n## 1.0.0\n\nOld.\n\n## 0.9.0\n"), 0o600))
	out, err := script(t, "notes", "1.1.0", file)
	require.NoError(t, err, out)
	require.Equal(t, "New.\n\n### More", strings.TrimSpace(out))
	out, err = script(t, "notes", "0.9.0", file)
	require.Error(t, err)
	require.Contains(t, out, `CHANGELOG.md has no notes under "## 0.9.0"`)
	_, err = script(t, "notes", "1.0", file)
	require.Error(t, err)
}
