package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// versions are the releases of Backstage in testdata/releases.json: 1.43 to 1.53 adds 8
// migrations to the catalog, 1.53 to 1.54 none, 1.54 to 1.55 two.
var versions = []string{"1.43", "1.53", "1.54", "1.55"}

// release is what a backend of a release is installed with: its direct dependencies, and
// those below them. Their ranges alone would bring packages of later releases.
type release struct{ Dependencies, Overrides map[string]string }

// waits is the start of a backend that fails when the migrations of its catalog are in.
const waits = `'use strict';
const { readdirSync } = require('node:fs');
const { Client } = require('pg');
const { createBackend } = require('@backstage/backend-defaults');
const { createBackendPlugin } = require('@backstage/backend-plugin-api');
process.env.SMOKE_TOKEN ||= 'a-token-that-nobody-uses';
const last = readdirSync('node_modules/@backstage/plugin-catalog-backend/migrations').filter(name => name.endsWith('.js')).sort().pop();
const { POSTGRES_HOST: host, POSTGRES_PORT: port, POSTGRES_USER: user, POSTGRES_PASSWORD: password } = process.env;
async function isIn() {
  const client = new Client({ host, port: Number(port), user, password, database: 'backstage_plugin_catalog' });
  try {
    await client.connect();
    const { rows } = await client.query('SELECT 1 FROM knex_migrations, knex_migrations_lock WHERE name = $1 AND is_locked = 0', [last]);
    return rows.length > 0;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
const failing = createBackendPlugin({
  pluginId: 'failing',
  register(env) {
    env.registerInit({
      deps: {},
      async init() {
        while (!(await isIn())) await new Promise(resolve => setTimeout(resolve, 200));
        throw new Error('the new release does not work');
      },
    });
  },
});
const backend = createBackend();
backend.add(import('@backstage/plugin-app-backend'));
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(failing);
backend.start();
`

// releases builds a backend of each release, and one of the last two that fails when its
// migrations are in ("1.55 failing").
func (h target) releases() map[string]string {
	content, err := os.ReadFile(filepath.Join("testdata", "releases.json"))
	require.NoError(h.t, err)
	var known map[string]release
	require.NoError(h.t, json.Unmarshal(content, &known))
	images := map[string]string{}
	for _, version := range versions {
		source := installed(h.t, version, known[version])
		images[version] = h.built(copied(h.t, source, nil), version+".0")
		if version >= "1.54" {
			images[version+" failing"] = h.built(copied(h.t, source, map[string]string{"packages/backend/dist/index.cjs.js": waits}), version+".1")
		}
	}
	return images
}

// built is the image of a workspace whose dependencies are installed.
func (h target) built(source, version string) string {
	o := stagecrew(h.t, "build", "--source", source, "--base-image", envtest.Env(h.t, "E2E_BASE_IMAGE"),
		"--repository", h.images, "--version-label", version, "--output", "json")
	require.Zero(h.t, o.exit)
	return o.record.Image.String()
}

// installed is the example with the packages of a release. It is kept beside the binaries.
func installed(t *testing.T, version string, r release) string {
	t.Helper()
	pins, err := json.Marshal(r)
	require.NoError(t, err)
	root, sum := envtest.Env(t, "E2E_ROOT"), sha256.Sum256(pins)
	kept := filepath.Join(root, "bin", "cache", "backstage-"+version+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(kept); err == nil {
		return kept
	}
	dir := kept + ".partial"
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, "examples", "minimal"))))
	require.NoError(t, os.Remove(filepath.Join(dir, "package-lock.json")))
	change(t, filepath.Join(dir, "package.json"), "overrides", r.Overrides)
	change(t, filepath.Join(dir, "packages", "backend", "package.json"), "dependencies", r.Dependencies)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "backstage.json"), []byte(`{"version": "`+version+`.0"}`), 0o600))
	install := exec.CommandContext(t.Context(), "npm", "install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	install.Dir = dir
	out, err := install.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Rename(dir, kept))
	return kept
}

// change sets entries of an object in a JSON file, which it may not have.
func change(t *testing.T, file, field string, entries map[string]string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, json.Unmarshal(content, &document))
	object, _ := document[field].(map[string]any)
	if object == nil {
		object = map[string]any{}
	}
	for name, version := range entries {
		object[name] = version
	}
	document[field] = object
	content, err = json.MarshalIndent(document, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, content, 0o600))
}

// versionOf is the release of an image, "" of one that is none of them.
func versionOf(images map[string]string, image string) string {
	for version, one := range images {
		if digest := one[strings.Index(one, "@"):]; strings.HasSuffix(image, digest) {
			return version
		}
	}
	return ""
}
