package build

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/workspace"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// packed is what `yarn build:backend` leaves in a workspace whose dependencies are
// installed for development.
func packed(t *testing.T) map[string]string {
	t.Helper()
	skeleton := map[string]string{
		"package.json":                  `{"workspaces":["packages/*"],"name":"root"}`,
		"packages/backend/package.json": `{"name":"backend","main":"dist/index.cjs.js"}`,
		"packages/app/package.json":     `{"name":"app"}`,
	}
	bundle := map[string]string{
		"packages/backend/package.json":      `{"name":"backend","main":"dist/index.cjs.js"}`,
		"packages/backend/dist/index.cjs.js": "'use strict';\n",
		"packages/app/package.json":          `{"name":"app"}`,
		"packages/app/dist/index.html":       "<html></html>\n",
		"yarn.lock":                          "# bundled\n",
	}
	return map[string]string{
		"package.json":                      `{"workspaces":["packages/*"],"name":"root"}`,
		"yarn.lock":                         "# locked\n",
		"backstage.json":                    `{"version":"1.55.0"}`,
		".yarnrc.yml":                       "nodeLinker: node-modules\n",
		"app-config.yaml":                   "app: {}\n",
		"node_modules/typescript/index.js":  "for development\n",
		"packages/backend/package.json":     `{"name":"backend","main":"dist/index.cjs.js","devDependencies":{"x":"1"}}`,
		"packages/backend/src/index.ts":     "source\n",
		"packages/app/package.json":         `{"name":"app","dependencies":{"react":"1"}}`,
		"packages/app/dist/index.html":      "stale\n",
		"packages/app/dist/left-over.html":  "stale\n",
		"packages/backend/templates/a.yaml": "a: b\n",
		"packages/ui/package.json":          `{"name":"ui"}`,
		"packages/ui/fixture":               "-> /somewhere/else",
		backstage.Skeleton:                  registrytest.PackFiles(t, skeleton),
		backstage.Bundle:                    registrytest.PackFiles(t, bundle),
	}
}

// filesOf reads the files of our layers; a later one wins.
func filesOf(t *testing.T, r Result) map[string]string {
	t.Helper()
	files := map[string]string{}
	eachEntry(t, r, func(h *tar.Header, content io.Reader) {
		if h.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(content)
			require.NoError(t, err)
			files[h.Name] = string(text)
		}
	})
	return files
}

// eachEntry shows what our layers have, lower ones first.
func eachEntry(t *testing.T, r Result, show func(h *tar.Header, content io.Reader)) {
	t.Helper()
	layers, err := registrytest.Pull(t, r.Image).Layers()
	require.NoError(t, err)
	for i, l := range layers {
		if r.Layers[i].Name == LayerBase {
			continue
		}
		plain, err := l.Uncompressed()
		require.NoError(t, err)
		for reader := tar.NewReader(plain); ; {
			h, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			show(h, reader)
		}
	}
}

func TestTheArchivesOfTheBackendsBuildBecomeTheOfficialImage(t *testing.T) {
	called := installer(t, "yarn", "yarn.lock")
	host := registrytest.Serve(t, nil)
	o := options(writeTree(t, packed(t)), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Include = []string{"packages/backend/templates"}
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, []string{"yarn workspaces focus --all --production", "YARN_ENABLE_SCRIPTS=false"}, called())
	require.Equal(t, map[string]string{
		"app/package.json":                                `{"workspaces":["packages/*"],"name":"root"}`,
		"app/yarn.lock":                                   "# bundled\n",
		"app/backstage.json":                              `{"version":"1.55.0"}`,
		"app/app-config.yaml":                             "app: {}\n",
		"app/node_modules/pg/index.js":                    "# locked\n",
		"app/node_modules/pg/packages":                    "./package.json\n./packages/app/package.json\n./packages/backend/package.json\n",
		"app/packages/backend/node_modules/knex/index.js": "nested\n",
		"app/packages/backend/package.json":               `{"name":"backend","main":"dist/index.cjs.js"}`,
		"app/packages/backend/dist/index.cjs.js":          "'use strict';\n",
		"app/packages/backend/templates/a.yaml":           "a: b\n",
		"app/packages/app/package.json":                   `{"name":"app"}`,
		"app/packages/app/dist/index.html":                "<html></html>\n",
	}, filesOf(t, result))

	again, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, called(), 2)
	require.Equal(t, result.Image, again.Image)
}

func TestNpmIsGivenEachPackageThatItsLockfileNames(t *testing.T) {
	called := installer(t, "npm", "package-lock.json")
	host := registrytest.Serve(t, nil)
	files := packed(t)
	delete(files, "yarn.lock")
	files["package-lock.json"] = "{}"
	result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.NoError(t, err)
	require.Len(t, called(), 1)
	require.Contains(t, filesOf(t, result)["app/node_modules/pg/packages"], "./packages/ui/package.json\n")
}

func TestTheSkeletonDecidesWhatIsInstalled(t *testing.T) {
	key := func(files map[string]string) string {
		w, err := workspace.Open(writeTree(t, files), false, false)
		require.NoError(t, err)
		defer w.Close()
		require.True(t, w.Packed && w.Install)
		key, err := w.Key(workspace.Target{Platform: "linux/amd64"}, workspace.Installing{}, nil)
		require.NoError(t, err)
		return key
	}
	files := packed(t)
	want := key(files)
	files["packages/app/package.json"] = `{"name":"app","dependencies":{"react":"2"}}`
	require.Equal(t, want, key(files), "what only the browser needs")
	files[backstage.Skeleton] = registrytest.PackFiles(t, map[string]string{"packages/backend/package.json": `{"dependencies":{"pg":"2"}}`})
	require.NotEqual(t, want, key(files))
}

// Archives name a file that is met twice by a hard link: pnpm/pnpm#7062,
// versatiles-org/versatiles-frontend#84, JuliaIO/Tar.jl#101.
func TestAHardLinkInAnArchiveIsAFileOfItsOwn(t *testing.T) {
	installer(t, "yarn", "yarn.lock")
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	files := packed(t)
	files[backstage.Bundle] = registrytest.PackFiles(t, map[string]string{
		"packages/backend/dist/index.cjs.js": "'use strict';\n", "packages/backend/dist/other.cjs.js": "=> packages/backend/dist/index.cjs.js",
		"packages/backend/package.json": `{"name":"backend","main":"dist/index.cjs.js"}`,
	})
	result, err := Build(t.Context(), options(writeTree(t, files), host, base))
	require.NoError(t, err)
	require.Equal(t, "'use strict';\n", filesOf(t, result)["app/packages/backend/dist/other.cjs.js"])
	for _, target := range []string{"../../etc/passwd", "/etc/passwd", "packages/backend/nowhere", "packages/backend"} {
		files[backstage.Bundle] = registrytest.PackFiles(t, map[string]string{"packages/backend/package.json": "{}", "packages/backend/x": "=> " + target})
		_, err := Build(t.Context(), options(writeTree(t, files), host, base))
		require.ErrorContains(t, err, "[build/odd-file]", target)
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
}

func TestABrokenArchiveIsRefused(t *testing.T) {
	installer(t, "yarn", "yarn.lock")
	host := registrytest.Serve(t, nil)
	files := packed(t)
	files[backstage.Bundle] = files[backstage.Bundle][:len(files[backstage.Bundle])/2]
	_, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.ErrorContains(t, err, "[build/no-backend]")
	require.Equal(t, record.KindInput, record.KindOf(err))
}

func TestPreparingRunsTheWorkspacesOwnScripts(t *testing.T) {
	for _, c := range []struct {
		name, program, lockfile, scripts string
		want                             []string
	}{
		{"npm", "npm", "package-lock.json", `{"tsc":"tsc","build:backend":"x"}`, []string{"npm ci --no-audit --no-fund --ignore-scripts", "npm run tsc", "npm run build:backend", "npm ci --omit=dev --no-audit --no-fund --ignore-scripts"}},
		{"yarn without types", "yarn", "yarn.lock", `{"build":"x"}`, []string{"yarn install --immutable", "YARN_ENABLE_SCRIPTS=false", "yarn run build", "yarn workspaces focus --all --production --ignore-scripts", "YARN_ENABLE_SCRIPTS=false"}},
		{"a script after the install", "npm", "package-lock.json", `{"postinstall":"x"}`, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts", "npm run postinstall"}},
		{"nothing to build", "npm", "package-lock.json", `{"start":"x"}`, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := installer(t, c.program, c.lockfile)
			host := registrytest.Serve(t, nil)
			files := unprepared()
			delete(files, "package-lock.json")
			files[c.lockfile] = `{}`
			files["package.json"] = `{"workspaces":{"packages":["packages/*"]},"scripts":` + c.scripts + `}`
			o := prepared(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
			o.InstallFlags = []string{"--ignore-scripts"}
			_, err := Build(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.want, called())
		})
	}
}

func TestAnInstallThatFailsShowsItsLastLines(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ni=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; done\nprintf 'E404 no such package'\nexit 3\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "npm"), []byte(script), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Setenv("TMPDIR", t.TempDir())
	host := registrytest.Serve(t, nil)
	_, err := Build(t.Context(), prepared(writeTree(t, unprepared()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.ErrorContains(t, err, "`npm ci --omit=dev --no-audit --no-fund --ignore-scripts`")
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "line 40\nE404 no such package")
	require.NotContains(t, err.Error(), "line 3\n")
	require.ErrorContains(t, err, "[build/command]")
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left, "nothing stays behind")

	t.Setenv("PATH", t.TempDir())
	_, err = Build(t.Context(), prepared(writeTree(t, unprepared()), host, host+"/library/node:24"))
	require.ErrorContains(t, err, "npm is not installed")
	require.ErrorContains(t, err, "[build/no-tool]")
}
