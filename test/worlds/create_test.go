package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTheRegistryLacksIsReadFromTheInstallersWords(t *testing.T) {
	require.Equal(t, []string{"@backstage/ui", "^0.6.0"}, missingFromYarn.FindStringSubmatch("➤ YN0082: │ @backstage/ui@npm:^0.6.0: No candidates found\n")[1:])
	require.Equal(t, []string{"@backstage/ui", "^0.6.0"}, missingFromNPM.FindStringSubmatch("npm error notarget No matching version found for @backstage/ui@^0.6.0.\nnpm")[1:])
}

func TestAWorkspaceOfYarnBecomesOneOfNPM(t *testing.T) {
	dir := t.TempDir()
	backend := filepath.Join(dir, "packages", "backend")
	require.NoError(t, os.MkdirAll(backend, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "yarn.lock"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"packageManager":"yarn@4.4.1","resolutions":{"@types/react":"^18"},"scripts":{"tsc":"tsc"}}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(backend, "package.json"), []byte(`{"dependencies":{"app":"link:../app"}}`), 0o600))
	require.NoError(t, toNPM(dir))
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"packageManager":"npm","overrides":{"@types/react":"^18"},"workspaces":["packages/*"],"scripts":{"tsc":"tsc","build:backend":"npm run build --workspace backend"}}`, string(text))
	text, err = os.ReadFile(filepath.Join(backend, "package.json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"dependencies":{"app":"*"}}`, string(text))
	require.FileExists(t, filepath.Join(dir, ".npmrc"))
	require.NoError(t, (&result{}).untyped(dir))
	require.Contains(t, packageScripts(t, dir), "tsc")
	require.NoError(t, (&result{Replaced: []string{"@backstage/cli 0.35.3"}}).untyped(dir))
	require.NotContains(t, packageScripts(t, dir), "tsc")
}

func TestWhatAWorkspaceAsksForIsPinned(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"package.json":                  `{"devDependencies":{"@backstage/cli":"^0.35.2","typescript":"~5.8.0"}}`,
		"packages/app/package.json":     `{"dependencies":{"@backstage/ui":"^0.11.0","backend":"link:../backend"}}`,
		"packages/backend/package.json": `{"dependencies":{"@backstage/config":"^1.3.6"}}`,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, pin(dir))
	found, err := pinned(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"@backstage/cli": "0.35.2", "@backstage/ui": "0.11.0", "@backstage/config": "1.3.6"}, found)
}

func packageScripts(t *testing.T, dir string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	require.NoError(t, err)
	var p struct{ Scripts map[string]string }
	require.NoError(t, json.Unmarshal(text, &p))
	return p.Scripts
}

func TestARowHasTheReason(t *testing.T) {
	err := errors.New("running stagecrew build --prepare: exit status 2\n12:00:00 build: error: \n12:00:00 build: error: Error: ENOENT: no such file, lstat 'yarn.lock'\nnpm error code 1")
	require.Equal(t, "running stagecrew build --prepare: exit status 2: Error: ENOENT: no such file, lstat 'yarn.lock'", told(err))
	require.Equal(t, "waiting until it is ready; its last lines: TypeError: x", told(errors.New("waiting until it is ready; its last lines:\n/app/types.cjs.js:28\nTypeError: x\n    at y")))
	require.Equal(t, "no more", told(errors.New("no more\nline")))
}

// registryOf is a lab whose registry has these packages and nothing else: what the document
// of each says of its versions.
func registryOf(t *testing.T, packages map[string]string) *lab {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		versions, there := packages[strings.TrimPrefix(r.URL.Path, "/")]
		if !there {
			http.Error(w, `{"error":"Not found"}`, http.StatusNotFound)
			return
		}
		_, _ = fmt.Fprintf(w, `{"versions":%s}`, versions)
	}))
	t.Cleanup(server.Close)
	return &lab{registry: server.URL + "/"}
}

func TestWhatAPackageAsksForIsRead(t *testing.T) {
	l := registryOf(t, map[string]string{"@backstage/config": `{"1.10.0":{},"1.2.3":{"dependencies":{"@backstage/errors":"^1.2.7"}},"1.11.0-next.0":{}}`})
	asks, there, err := l.asks(t.Context(), "@backstage/config", "1.2.3")
	require.NoError(t, err)
	require.True(t, there)
	require.Equal(t, map[string]string{"@backstage/errors": "^1.2.7"}, asks)
	_, there, err = l.asks(t.Context(), "@backstage/config", "1.2.4")
	require.NoError(t, err)
	require.False(t, there)
	_, there, err = l.asks(t.Context(), "@backstage/nobody", "1.2.3")
	require.NoError(t, err)
	require.False(t, there)

	versions, err := l.versions(t.Context(), "@backstage/config")
	require.NoError(t, err)
	require.Equal(t, []string{"1.2.3", "1.10.0"}, versions)
	_, err = l.versions(t.Context(), "@backstage/nobody")
	require.ErrorContains(t, err, "the registry has no version of @backstage/nobody")
}

func TestRowsOfOtherReleasesStay(t *testing.T) {
	document := filepath.Join(t.TempDir(), "worlds.md")
	all, err := measured(document)
	require.NoError(t, err)
	require.Empty(t, all)
	older, newer := result{World: worlds[0], Failed: "a reason | and a bar"}.row(), result{World: worlds[1], Layers: 5, LeftOut: []string{"x"}}.row()
	require.NoError(t, rows{worlds[1].key(): newer}.write(document, "0.7.1"))
	all, err = measured(document)
	require.NoError(t, err)
	all[worlds[0].key()] = older
	require.NoError(t, all.write(document, "0.7.1"))
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	require.Contains(t, string(text), "| --- |\n"+older+"\n"+newer+"\n")
}

func TestABackendHasWhatTheRegistryHasOfItsRelease(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"package.json":                  `{"devDependencies":{"@backstage/cli":"^0.34.2","@playwright/test":"^1.32.3"}}`,
		"packages/app/package.json":     `{"dependencies":{"@backstage/ui":"^0.11.0"}}`,
		"packages/backend/package.json": `{"dependencies":{"@backstage/backend-defaults":"^0.12.1","@backstage/plugin-app-backend":"^0.5.6","@backstage/plugin-auth-backend":"^0.25.4","@backstage/plugin-auth-backend-module-guest-provider":"^0.2.12","@backstage/plugin-catalog-backend":"^3.1.0","@backstage/plugin-proxy-backend":"^0.6.6","app":"link:../app"}}`,
		backendFile: "import { createBackend } from '@backstage/backend-defaults';\nbackend.add(import('@backstage/plugin-app-backend'));\n" +
			"backend.add(import('@backstage/plugin-auth-backend'));\nbackend.add(\n  import('@backstage/plugin-auth-backend-module-guest-provider'),\n);\n" +
			"backend.add(import('@backstage/plugin-catalog-backend/alpha'));\nbackend.add(import('@backstage/plugin-proxy-backend'));\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, backendOnly(dir))
	require.NoDirExists(t, filepath.Join(dir, "packages", "app"))
	require.NoError(t, pin(dir))

	// auth asks for something that is not there; the catalog is needed, whatever is not there.
	l := registryOf(t, map[string]string{
		"@backstage/cli": `{"0.34.2":{}}`, "@backstage/backend-defaults": `{"0.12.1":{}}`, "@backstage/plugin-auth-node": `{"0.6.8":{}}`,
		"@backstage/plugin-auth-backend":                       `{"0.25.4":{"dependencies":{"@backstage/plugin-auth-node":"^0.6.7"}}}`,
		"@backstage/plugin-auth-backend-module-guest-provider": `{"0.2.12":{}}`, "@backstage/plugin-proxy-backend": `{"0.6.6":{}}`,
	})
	var r result
	require.NoError(t, l.leaveOut(t.Context(), &r, dir))
	require.Equal(t, []string{"@backstage/plugin-auth-backend", "@backstage/plugin-auth-backend-module-guest-provider"}, r.LeftOut)
	text, err := os.ReadFile(filepath.Join(dir, backendFile))
	require.NoError(t, err)
	require.Equal(t, "import { createBackend } from '@backstage/backend-defaults';\nbackend.add(import('@backstage/plugin-catalog-backend/alpha'));\nbackend.add(import('@backstage/plugin-proxy-backend'));\n", string(text))
	left, err := pinned(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"@backstage/cli": "0.34.2", "@backstage/backend-defaults": "0.12.1", "@backstage/plugin-catalog-backend": "3.1.0", "@backstage/plugin-proxy-backend": "0.6.6"}, left)
}

func TestABackendOfAReleaseBeforeTheOldestCreateAppHasItsVersions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"package.json":                  `{"devDependencies":{"@backstage/cli":"^0.33.1","typescript":"~5.8.0"}}`,
		"packages/backend/package.json": `{"dependencies":{"@backstage/backend-defaults":"^0.11.1","@backstage/plugin-of-tomorrow":"^1.0.0"}}`,
		backendFile:                     "backend.add(import('@backstage/plugin-of-tomorrow'));\nbackend.add(import('@backstage/plugin-catalog-backend'));\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	r := result{World: world{Backstage: "1.35.1", Alpha: []string{"@backstage/plugin-catalog-backend"}}}
	require.NoError(t, r.older(dir))
	found, err := pinned(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"@backstage/cli": "0.29.6", "@backstage/backend-defaults": "0.7.0"}, found)
	require.Equal(t, "without @backstage/plugin-of-tomorrow", r.differences())
	text, err := os.ReadFile(filepath.Join(dir, backendFile))
	require.NoError(t, err)
	require.Equal(t, "backend.add(import('@backstage/plugin-catalog-backend/alpha'));\n", string(text))
}
