package build

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// TestOnlyInstallScriptsThatWereNamedRun is about how the worms of 2025 travelled
// (Shai-Hulud: a postinstall script of a package that everybody had).
func TestOnlyInstallScriptsThatWereNamedRun(t *testing.T) {
	const allowed, notIgnored = "NPM_CONFIG_DANGEROUSLY_ALLOW_ALL_SCRIPTS=true", "NPM_CONFIG_IGNORE_SCRIPTS=false"
	for _, c := range []struct {
		name, program, lockfile string
		allow                   []string
		want                    []string
		manifest                string // of the workspace, where it is not the usual one
	}{
		// A script of the workspace itself, such as patch-package, runs (Automattic/studio#2918).
		{"none", "npm", "package-lock.json", nil, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts"}, ""},
		// npm 12 passes over scripts that nobody allows there, and ends well: diegosouzapw/OmniRoute#7160,
		// panteLx/BetterShift#218, get-bb/bb#1120; and .npmrc may forbid them: smith-horn/skillsmith#1365.
		{"two", "npm", "package-lock.json", []string{"better-sqlite3", "@scope/isolated-vm"}, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts", "npm rebuild better-sqlite3 @scope/isolated-vm", allowed, notIgnored}, ""},
		{"all", "npm", "package-lock.json", []string{"*"}, []string{"npm ci --omit=dev --no-audit --no-fund", allowed, notIgnored}, ""},
		// obra/episodic-memory#167: versions, a no, and what is no name.
		{"those of the workspace", "npm", "package-lock.json", nil, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts", "npm rebuild @scope/vm@1.2.3 || 1.2.4 better-sqlite3", allowed, notIgnored},
			`{"workspaces":["packages/*"],"allowScripts":{"better-sqlite3@*":true,"sharp":false,"@scope/vm@1.2.3 || 1.2.4":true,"--global":true,"x@^1":true,"git+https://example.com/x":true}}`},
		{"none, with Yarn", "yarn", "yarn.lock", nil, []string{"yarn workspaces focus --all --production", "YARN_ENABLE_SCRIPTS=false"}, ""},
		{"all, with Yarn", "yarn", "yarn.lock", []string{"*"}, []string{"yarn workspaces focus --all --production"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := installer(t, c.program, c.lockfile)
			host := registrytest.Serve(t, nil)
			files := unprepared()
			delete(files, "package-lock.json")
			files[c.lockfile] = `{}`
			files["package.json"] = cmp.Or(c.manifest, files["package.json"])
			o := prepared(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
			o.InstallScripts = c.allow
			_, err := Build(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.want, called())
		})
	}
}

func TestNamesOfPackagesAreNoFlags(t *testing.T) {
	o := options(t.TempDir(), "registry.example.com", "registry.example.com/base:1")
	for _, name := range []string{"--foreground-scripts", "a b", "a;b", "../x", ""} {
		o.InstallScripts = []string{name}
		require.ErrorContains(t, o.Validate(), "want the name of a package")
	}
	o.InstallScripts = []string{"better-sqlite3", "@scope/name", "*"}
	require.NoError(t, o.Validate())
}

func TestVariablesThatAreNamedReachTheBuild(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\nenv > "+dir+"/env\nexit 1\n"), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Setenv("GIT_SHA", "0123")
	t.Setenv("OTHER", "x")
	host := registrytest.Serve(t, nil)
	o := prepared(writeTree(t, unprepared()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Environment = []string{"GIT_SHA"}
	_, err := Build(t.Context(), o)
	require.Error(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.Contains(t, lines, "GIT_SHA=0123")
	require.False(t, slices.Contains(lines, "OTHER=x"))
}
