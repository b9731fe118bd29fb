package build

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

func TestSecretsOfADockerfileAreNamed(t *testing.T) {
	require.Equal(t, []string{"A", "B", "TOKEN"}, secretVariables([]string{"id=a,env=A", "type=env,id=b,env=B", "id=TOKEN", "id=file,src=.npmrc"}))
}

// TestOnlyInstallScriptsThatWereNamedRun is about how the worms of 2025 travelled
// (Shai-Hulud: a postinstall script of a package that everybody had).
func TestOnlyInstallScriptsThatWereNamedRun(t *testing.T) {
	for _, c := range []struct {
		name, program, lockfile string
		allow                   []string
		want                    []string
	}{
		// A script of the workspace itself, such as patch-package, runs (Automattic/studio#2918).
		{"none", "npm", "package-lock.json", nil, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts"}},
		{"two", "npm", "package-lock.json", []string{"better-sqlite3", "@scope/isolated-vm"}, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts", "npm rebuild better-sqlite3 @scope/isolated-vm"}},
		{"all", "npm", "package-lock.json", []string{"*"}, []string{"npm ci --omit=dev --no-audit --no-fund"}},
		{"none, with Yarn", "yarn", "yarn.lock", nil, []string{"yarn workspaces focus --all --production", "YARN_ENABLE_SCRIPTS=false"}},
		{"all, with Yarn", "yarn", "yarn.lock", []string{"*"}, []string{"yarn workspaces focus --all --production"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := installer(t, c.program, c.lockfile)
			host := registrytest.Serve(t, nil)
			files := unprepared()
			delete(files, "package-lock.json")
			files[c.lockfile] = `{}`
			o := prepared(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
			o.InstallScripts = c.allow
			_, err := Build(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.want, called())
		})
	}
}

func TestNativeCodeThatNobodyBuiltIsNamed(t *testing.T) {
	native := map[string]string{
		"node_modules/better-sqlite3/binding.gyp":                "{}",
		"node_modules/better-sqlite3/package.json":               `{"name":"better-sqlite3"}`,
		"node_modules/@scope/vm/binding.gyp":                     "{}",
		"node_modules/built/binding.gyp":                         "{}",
		"node_modules/built/build/Release/built.node":            "x",
		"node_modules/ssh2/package.json":                         `{"optionalDependencies":{"cpu-features":"1"},"dependencies":{"cpu-features":"1"}}`,
		"node_modules/ssh2/lib/protocol/crypto/binding.gyp":      "{}",
		"node_modules/cpu-features/binding.gyp":                  "{}",
		"node_modules/fsevents/binding.gyp":                      "{}",
		"node_modules/fsevents/package.json":                     `{"os":["darwin"]}`,
		"node_modules/knex/package.json":                         `{"dependencies":{"better-sqlite3":"1","fsevents":"1"}}`,
		"package.json":                                           `{"workspaces":["packages/*"]}`,
		"packages/backend/package.json":                          `{"dependencies":{"@scope/vm":"1","built":"1"}}`,
		"node_modules/nested/node_modules/addon/src/binding.gyp": "{}",
	}
	dir := writeTree(t, native)
	b := &layering{}
	defer b.close()
	tree, err := b.readTree(dir)
	require.NoError(t, err)
	for name, c := range map[string]struct{ allow, want string }{
		"npm":  {"", "@scope/vm, better-sqlite3: native code that install scripts build or download is missing, because they did not run; let those that you trust run (--allow-install-scripts @scope/vm --allow-install-scripts better-sqlite3)"},
		"yarn": {"", `"dependenciesMeta": {"@scope/vm": {"built": true}, "better-sqlite3": {"built": true}}`},
	} {
		err := (&workspace{manager: manager{name: name}}).checkBuilt(tree, nil)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "[build/install-scripts]")
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
	require.NoError(t, (&workspace{}).checkBuilt(tree, []string{"*"}), "who lets all run has them built")
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
