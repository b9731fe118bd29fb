package workspace

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

const locked = `__metadata:
  version: 8

"app@workspace:packages/app":
  resolution: "app@workspace:packages/app"
  dependencies:
    ms: "npm:2.1.2"

"ms@npm:2.1.2":
  version: 2.1.2
  checksum: 10c0/a4
`

// yarn puts a program on the PATH that stands for Yarn 4: the lockfile that it would
// write lies in the workspace, as patches/wanted.
func yarn(t *testing.T, does string) (called func() string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "called")
	script := "#!/bin/sh\necho \"$*\" >> " + log + "\ncase \"$1\" in install) " + does + ";; *) mkdir -p node_modules/ms ;; esac\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "yarn"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return func() string {
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
}

// Sources: yarnpkg/berry#1803, #2253, #6277 (focus has no --immutable, and takes what
// the lockfile does not name), #2755.
func TestALockfileThatDoesNotFitIsRefusedBeforeTheInstall(t *testing.T) {
	const focus, update, writes = "workspaces focus --all --production", "install --mode=update-lockfile", "cp patches/wanted yarn.lock"
	for _, c := range []struct {
		name, lockfile, wanted, does string
		called, err                  string
	}{
		{"one that fits", locked, locked, writes, update + "\n" + focus, ""},
		{"line ends of Windows", strings.ReplaceAll(locked, "\n", "\r\n"), locked, writes, update + "\n" + focus, ""},
		{"sums of packages for other platforms", locked, strings.Replace(locked, "  checksum: 10c0/a4\n", "", 1), writes, update + "\n" + focus, ""},
		{"another version", locked, strings.ReplaceAll(locked, "2.1.2", "2.1.3"), writes, update,
			"yarn.lock does not fit the package.json files: an install would take versions that it does not name; run `yarn install` in the workspace and commit yarn.lock: Yarn would change these of its lines:\n+ ms: \"npm:2.1.3\"\n+ \"ms@npm:2.1.3\":\n+ version: 2.1.3\n- ms: \"npm:2.1.2\"\n- \"ms@npm:2.1.2\":\n- version: 2.1.2 [build/stale-lockfile]"},
		{"what Yarn says itself", locked, "", "echo 'YN0028: The lockfile would have been modified by this install, which is explicitly forbidden.'; exit 1", update,
			"which is explicitly forbidden.\n [build/stale-lockfile]"},
		{"a Yarn that does not know the question", locked, "", "echo 'Unknown Syntax Error'; exit 1", update + "\n" + focus, ""},
		{"packages that are not there", locked + "\n\"gone@workspace:packages/gone\":\n  resolution: \"gone@workspace:packages/gone\"\n", "", writes, focus, ""},
		{"none that Yarn has written", "# locked\n", "", writes, focus, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := yarn(t, c.does)
			w := &Workspace{Root: rootOf(t, map[string]string{
				"package.json": `{"workspaces":["packages/*"]}`, "packages/app/package.json": `{"name":"app"}`, "yarn.lock": c.lockfile, "patches/wanted": c.wanted,
			})}
			w.manager = managerOf(w.Root)
			err := w.InstallTo(t.Context(), t.TempDir(), Installing{Environ: os.Environ(), Log: slog.New(slog.DiscardHandler)})
			require.Equal(t, c.called, called())
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
}

// The package managers' own words: deep-foundation/dev#208, yarnpkg/yarn#3185, yarnpkg/berry#2948.
func TestAnInstallThatRefusesTheLockfileHasThatName(t *testing.T) {
	for words, want := range map[string]string{
		"npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync. Please update your lock file": "run `npm install` in the workspace and commit package-lock.json",
		"error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.":                                                                        "build/stale-lockfile",
		"➤ YN0028: │ The lockfile would have been created by this install, which is explicitly forbidden.":                                                           "build/stale-lockfile",
		// npm/cli#8740, sh1nj1/plan42#1324: written by another npm.
		"npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json are in sync.\nnpm error Missing: @emnapi/runtime@1.10.0 from lock file": "and commit package-lock.json: the npm that wrote it may name fewer packages than the one that reads it here: write it with this one: ",
		"npm error 404 Not Found": "build/command",
	} {
		err := manager{command: []string{"npm"}, lockfile: "package-lock.json"}.named(record.BadInput("build/command", "running: %w", errors.New(words)))
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, words)
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
}

func TestThePrepareOfAWorkspaceNamesAStaleLockfile(t *testing.T) {
	yarn(t, "echo 'YN0028: forbidden'; exit 1")
	dir := treetest.Write(t, map[string]string{"package.json": `{"scripts":{"build":"x"}}`, "yarn.lock": ""})
	err := Prepare(t.Context(), dir, Installing{Environ: os.Environ(), Log: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "[build/stale-lockfile]")
}
