package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
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

func TestWhatAPackageAsksForIsRead(t *testing.T) {
	asks, there := dependenciesIn([]byte(`{"version":"1.2.3","dependencies":{"@backstage/errors":"^1.2.7"}}`))
	require.True(t, there)
	require.Equal(t, map[string]string{"@backstage/errors": "^1.2.7"}, asks)
	asks, there = dependenciesIn([]byte(`"0.1.5"`))
	require.True(t, there)
	require.Empty(t, asks)
	_, there = dependenciesIn(nil)
	require.False(t, there)
}

func TestRowsOfOtherReleasesStay(t *testing.T) {
	document := filepath.Join(t.TempDir(), "worlds.md")
	all, err := measured(document)
	require.NoError(t, err)
	require.Empty(t, all)
	older, newer := result{World: worlds[0], Failed: "a reason | and a bar"}.row(), result{World: worlds[1], Layers: 5}.row()
	require.NoError(t, rows{worlds[1].Backstage: newer}.write(document, "0.7.1"))
	all, err = measured(document)
	require.NoError(t, err)
	all[worlds[0].Backstage] = older
	require.NoError(t, all.write(document, "0.7.1"))
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	require.Contains(t, string(text), "| --- |\n"+older+"\n"+newer+"\n")
}
