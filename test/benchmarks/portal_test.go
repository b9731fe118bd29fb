package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnUpdateChangesOnePackageOfTheLockfile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "backstage", "yarn.lock"))
	require.NoError(t, err)
	before := strings.Split(string(text), "\n")
	for _, version := range versions {
		after, err := relocked(string(text), updated, version)
		require.NoError(t, err)
		// The entry keeps all but three lines, of which the sum is left to Yarn.
		lines := strings.Split(after, "\n")
		require.Len(t, lines, len(before)-1)
		i := 0
		for lines[i] == before[i] {
			i++
		}
		require.Regexp(t, `^"luxon@npm:\^3`, before[i-1])
		require.Equal(t, []string{"  version: " + version, `  resolution: "luxon@npm:` + version + `"`}, lines[i:i+2])
		require.Equal(t, before[i+3:], lines[i+2:])
	}
	_, err = relocked(string(text), "no-such-package", "1.0.0")
	require.Error(t, err)
}
