package workspace

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// fakeYarn is a Yarn that writes what it is called with, and the variables of the test.
func fakeYarn(t *testing.T, exit string) (said func() string) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"$1 NPM_TOKEN=${NPM_TOKEN-unset} PACKAGES_TOKEN=${PACKAGES_TOKEN-unset}\" >>" + dir + "/said\nexit " + exit + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "yarn"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return func() string {
		text, err := os.ReadFile(filepath.Join(dir, "said"))
		require.NoError(t, err)
		return string(text)
	}
}

// loggingIn is a workspace whose settings name two variables.
func loggingIn(t *testing.T) (string, Installing) {
	t.Helper()
	dir := treetest.Write(t, map[string]string{
		"package.json": `{"scripts":{"build:backend":"x"}}`,
		"yarn.lock":    "__metadata:\n  version: 8\n",
		".yarnrc.yml":  "npmAuthToken: \"${NPM_TOKEN}\"\nnpmScopes:\n  team: {npmAuthToken: \"${PACKAGES_TOKEN}\"}\n  other: {npmAuthToken: \"${NOWHERE:-}\"}\n",
	})
	return dir, Installing{Environ: []string{"NPM_TOKEN=s3cret", "PACKAGES_TOKEN=t0ken", "NOWHERE=x"}, Log: slog.New(slog.DiscardHandler)}
}

// Yarn runs nothing at all, and no script either, where a variable is not there that its
// settings name (yarnpkg/berry#6504, #5190; Yarn 1: yarnpkg/yarn#6130).
func TestVariablesThatSettingsNameAreThereForScriptsWithoutTheirValue(t *testing.T) {
	said := fakeYarn(t, "0")
	dir, how := loggingIn(t)
	require.NoError(t, Prepare(t.Context(), dir, how))
	require.Equal(t, "install NPM_TOKEN=s3cret PACKAGES_TOKEN=\nrun NPM_TOKEN= PACKAGES_TOKEN=\n", said())
}

func TestAnInstallThatFailsNamesTheVariableThatItDidNotGet(t *testing.T) {
	fakeYarn(t, "1")
	dir, how := loggingIn(t)
	err := Prepare(t.Context(), dir, how)
	require.ErrorContains(t, err, "--build-env PACKAGES_TOKEN [build/command]")
	require.Equal(t, record.KindInput, record.KindOf(err))
	how.Environment = []string{"PACKAGES_TOKEN"}
	require.NotContains(t, Prepare(t.Context(), dir, how).Error(), "--build-env")
}
