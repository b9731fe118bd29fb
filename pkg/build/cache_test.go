package build

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/layer"
	"github.com/stagecrew/stagecrew/pkg/build/workspace"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// installer puts a program that stands for npm or yarn on the PATH. It installs one
// package whose content is the lockfile's, and writes down how it was called and
// what of the environment it saw. The function gives those lines.
func installer(t *testing.T, program, lockfile string) func() []string {
	t.Helper()
	dir := t.TempDir()
	called := filepath.Join(dir, "called")
	script := "#!/bin/sh\nset -e\n" +
		"echo \"" + program + " $*\" >> " + called + "\n" +
		"env | grep -E '^(COSIGN_|STAGECREW_|REGISTRY_|ACTIONS_|YARN_ENABLE_SCRIPTS|NPM_CONFIG_(DANG|IGN))' | sort >> " + called + " || true\n" +
		"mkdir -p node_modules/pg packages/backend/node_modules/knex\n" +
		"cp " + lockfile + " node_modules/pg/index.js\n" +
		"find . -name package.json -not -path './node_modules/*' | sort > node_modules/pg/packages\n" +
		"echo nested > packages/backend/node_modules/knex/index.js\n" +
		"date +%N > node_modules/.package-lock.json\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return func() []string {
		text, err := os.ReadFile(called)
		if os.IsNotExist(err) {
			return nil
		}
		require.NoError(t, err)
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// unprepared is a workspace whose dependencies are not installed.
func unprepared() map[string]string {
	files := portal()
	remove(files, "node_modules/")
	remove(files, "packages/backend/node_modules/")
	return files
}

func prepared(source, host, base string) Options {
	o := options(source, host, base)
	o.Prepare = true
	return o
}

func dependenciesOf(t *testing.T, r Result) Layer {
	t.Helper()
	for _, l := range r.Layers {
		if l.Name == LayerDependencies {
			return l
		}
	}
	require.Fail(t, "no layer of dependencies")
	return Layer{}
}

func TestUnchangedDependenciesAreTakenByReference(t *testing.T) {
	called := installer(t, "npm", "package-lock.json")
	t.Setenv("COSIGN_PASSWORD", "secret")
	t.Setenv("STAGECREW_SIGN_KEY", "secret")
	seen := &registrytest.Traffic{}
	host := registrytest.Serve(t, seen.See)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	files := unprepared()
	first, err := Build(t.Context(), prepared(writeTree(t, files), host, base))
	require.NoError(t, err)
	require.Equal(t, []string{"npm ci --omit=dev --no-audit --no-fund --ignore-scripts"}, called(), "one install, which sees no secrets")
	made := dependenciesOf(t, first)
	var steps []string
	for _, p := range first.Phases {
		require.False(t, p.End.Before(p.Start))
		steps = append(steps, p.Name+" "+string(p.Result))
	}
	require.Equal(t, []string{"prepare ok", "resolve ok", "look up dependencies ok", "install dependencies ok", "pack ok", "assemble ok", "push ok", "keep dependencies ok"}, steps)
	require.True(t, made.Uploaded)
	require.False(t, made.Reused)
	require.Len(t, made.Key, 64)

	seen.Reset()
	files["packages/backend/dist/index.cjs.js"] += "// changed\n"
	second, err := Build(t.Context(), prepared(writeTree(t, files), host, base))
	require.NoError(t, err)
	require.Len(t, called(), 1, "nothing is installed again")
	again := dependenciesOf(t, second)
	require.True(t, again.Reused)
	require.False(t, again.Uploaded)
	require.Equal(t, made.Digest, again.Digest)
	require.Empty(t, seen.With("GET", made.Digest), "the layer is not read")
	require.Len(t, seen.With("PUT", "blobs/uploads"), 2, "the application's layer and the image's configuration")
	require.Len(t, seen.With("PUT", "manifests/"), 1)
	require.Less(t, second.Sent, int64(6000))

	image := registrytest.Pull(t, second.Image)
	manifest, err := image.Manifest()
	require.NoError(t, err)
	require.Equal(t, map[string]string{layer.KeyAnnotation: made.Key}, manifest.Layers[len(manifest.Layers)-3].Annotations)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, made.Key, config.Config.Labels[layer.KeyAnnotation])

	o := prepared(writeTree(t, files), registrytest.Serve(t, nil), "")
	o.BaseImage = registrytest.PushBase(t, strings.Split(o.Repository, "/")[0], types.OCIManifestSchema1)
	o.NoCache = true
	o.Labels = map[string]string{ocispec.AnnotationBaseImageName: base}
	cold, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, called(), 2)
	require.Equal(t, second.Image.Digest, cold.Image.Digest, "with an earlier layer and without one it is the same image")
}

func TestWhatDeterminesTheDependenciesAndWhatDoesNot(t *testing.T) {
	keyOf := func(t *testing.T, files map[string]string, change func(how *workspace.Installing, to *workspace.Target), platform string) string {
		w, err := workspace.Open(writeTree(t, files), true, false)
		require.NoError(t, err)
		defer w.Close()
		how, to := workspace.Installing{}, workspace.Target{Platform: platform, Node: "22.1.0", LibC: "glibc"}
		if change != nil {
			change(&how, &to)
		}
		key, err := w.Key(to, how, nil)
		require.NoError(t, err)
		return key
	}
	start := func() map[string]string {
		files := unprepared()
		files["package-lock.json"] = `{"version":"1.0.0","packages":{"":{"version":"1.0.0"},"packages/app":{"version":"0.1.0"},"node_modules/pg":{"version":"8.0.0"}}}`
		files["package.json"] = `{"version":"1.0.0","workspaces":["packages/*"],"scripts":{"postinstall":"x","test":"y"}}`
		files[".npmrc"] = "//registry/:_authToken=secret\nlegacy-peer-deps=true\n"
		files["patches/pg.patch"] = "a"
		files["scripts/patch.js"] = "a"
		return files
	}
	want := keyOf(t, start(), nil, "linux/amd64")
	require.Equal(t, want, keyOf(t, start(), nil, "linux/amd64"), "the same in another folder")
	for _, c := range []struct {
		name, file, content string
		changes             bool
	}{
		{"a locked version", "package-lock.json", `{"version":"1.0.0","packages":{"":{"version":"1.0.0"},"packages/app":{"version":"0.1.0"},"node_modules/pg":{"version":"8.0.1"}}}`, true},
		{"the versions of the workspace in the lockfile", "package-lock.json", `{"version":"1.1.0","packages":{"":{"version":"1.1.0"},"packages/app":{"version":"0.2.0"},"node_modules/pg":{"version":"8.0.0"}}}`, false},
		{"a dependency", "packages/backend/package.json", `{"name":"backend","main":"dist/index.cjs.js","dependencies":{"pg":"1"}}`, true},
		{"the version of a package", "packages/backend/package.json", `{"name":"backend","version":"2","main":"dist/index.cjs.js"}`, false},
		{"the version of the workspace", "package.json", `{"version":"2.0.0","workspaces":["packages/*"],"scripts":{"postinstall":"x","test":"y"}}`, false},
		{"another script", "package.json", `{"version":"1.0.0","workspaces":["packages/*"],"scripts":{"postinstall":"x","test":"z"}}`, false},
		{"the script after an install", "package.json", `{"version":"1.0.0","workspaces":["packages/*"],"scripts":{"postinstall":"z","test":"y"}}`, true},
		{"the installer's settings", ".npmrc", "//registry/:_authToken=secret\n", true},
		{"the installer's password", ".npmrc", "//registry/:_authToken=other\nlegacy-peer-deps=true\n", false},
		{"a patch", "patches/pg.patch", "b", true},
		{"another patch", "patches/knex.patch", "a", true},
		{"Yarn itself", ".yarn/releases/yarn.cjs", "x", true},
		{"the application", "packages/backend/dist/index.cjs.js", "x", false},
		{"the configuration", "app-config.yaml", "x: y\n", false},
		{"a file nobody named", "scripts/patch.js", "b", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := start()
			files[c.file] = c.content
			require.Equal(t, c.changes, want != keyOf(t, files, nil, "linux/amd64"))
		})
	}
	for title, change := range map[string]func(*workspace.Installing, *workspace.Target){
		"the version of Node":   func(_ *workspace.Installing, to *workspace.Target) { to.Node = "22.2.0" },
		"the C library":         func(_ *workspace.Installing, to *workspace.Target) { to.LibC = "musl" },
		"the version of glibc":  func(_ *workspace.Installing, to *workspace.Target) { to.GlibC = "2.36" },
		"the installer's flags": func(how *workspace.Installing, _ *workspace.Target) { how.Flags = []string{"--ignore-scripts"} },
		"a file that was named": func(how *workspace.Installing, _ *workspace.Target) { how.Inputs = []string{"scripts/patch.js"} },
	} {
		t.Run(title, func(t *testing.T) { require.NotEqual(t, want, keyOf(t, start(), change, "linux/amd64")) })
	}
	t.Run("the platform", func(t *testing.T) { require.NotEqual(t, want, keyOf(t, start(), nil, "linux/arm64")) })
}

func TestInstalledDependenciesAreKnownByTheInstallersList(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	files := portal()
	files["node_modules/.package-lock.json"] = `{"packages":{"node_modules/pg":{"version":"8.0.0"}}}`
	build := func() Layer {
		result, err := Build(t.Context(), options(writeTree(t, files), host, base))
		require.NoError(t, err)
		return dependenciesOf(t, result)
	}
	require.False(t, build().Reused)
	files["app-config.yaml"] += "# changed\n"
	require.True(t, build().Reused)

	delete(files, "node_modules/"+strings.Repeat("n", 120))
	pruned := build()
	require.False(t, pruned.Reused, "somebody removed a file")
	require.True(t, pruned.Uploaded)

	delete(files, "node_modules/.package-lock.json")
	require.Empty(t, build().Key, "nobody knows what is installed")
}

func TestALayerIsTakenFromAnotherRepository(t *testing.T) {
	installer(t, "npm", "package-lock.json")
	seen := &registrytest.Traffic{}
	host := registrytest.Serve(t, seen.See)
	there := registrytest.Serve(t, nil)
	for _, c := range []struct{ name, cache string }{{"of the same registry", host + "/team/cache"}, {"of another registry", there + "/team/cache"}} {
		t.Run(c.name, func(t *testing.T) {
			base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
			files := unprepared()
			files["package-lock.json"] = `{"name":"` + c.name + `"}`
			o := prepared(writeTree(t, files), host, base)
			o.Repository, o.CacheRepository = host+"/one/"+strings.ReplaceAll(c.name, " ", "-"), c.cache
			first, err := Build(t.Context(), o)
			require.NoError(t, err)
			require.Empty(t, first.Warnings)
			layer := dependenciesOf(t, first)
			o.Repository = host + "/two/" + strings.ReplaceAll(c.name, " ", "-")
			seen.Reset()
			second, err := Build(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, layer.Digest, dependenciesOf(t, second).Digest)
			require.True(t, dependenciesOf(t, second).Reused)
			require.Equal(t, first.Image.Digest, second.Image.Digest)
			registrytest.Complete(t, second.Image)
		})
	}
}

func TestTroubleWithEarlierLayersIsNoTroubleForTheImage(t *testing.T) {
	installer(t, "npm", "package-lock.json")
	for _, c := range []struct {
		name    string
		meddle  func(t *testing.T, repo name.Repository, key string)
		handler func(http.Handler) http.Handler
		warning string
	}{
		{name: "the tag leads to something else", warning: "not a layer with that key", meddle: func(t *testing.T, repo name.Repository, key string) {
			require.NoError(t, remote.Write(repo.Tag(registry.CacheTag+key), registrytest.EmptyImage(t)))
		}},
		{name: "its key is another one", warning: "not a layer with that key", meddle: func(t *testing.T, repo name.Repository, key string) {
			image := mutate.Annotations(registrytest.EmptyImage(t), map[string]string{layer.KeyAnnotation: "other"}).(v1.Image)
			require.NoError(t, remote.Write(repo.Tag(registry.CacheTag+key), image))
		}},
		{name: "nobody may write it", warning: "keeping the layer", handler: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut && strings.Contains(r.URL.Path, registry.CacheTag) {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
		{name: "its bytes are gone", warning: "taking an earlier layer", handler: func(next http.Handler) http.Handler {
			layer := ""
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/team/cache/manifests/") {
					body := &strings.Builder{}
					r.Body = registrytest.Tee(r.Body, body)
					next.ServeHTTP(w, r)
					var m v1.Manifest
					_ = json.Unmarshal([]byte(body.String()), &m)
					layer = m.Layers[0].Digest.String()
					return
				}
				if layer != "" && strings.HasSuffix(r.URL.Path, "/blobs/"+layer) && !strings.Contains(r.URL.Path, "/three/") {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := registrytest.Handler()
			if c.handler != nil {
				inner = c.handler(inner)
			}
			server := httptest.NewServer(inner)
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")
			o := prepared(writeTree(t, unprepared()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
			o.Repository, o.CacheRepository = host+"/team/one", host+"/team/cache"
			first, err := Build(t.Context(), o)
			require.NoError(t, err)
			if c.meddle != nil {
				repo, err := name.NewRepository(o.CacheRepository)
				require.NoError(t, err)
				c.meddle(t, repo, dependenciesOf(t, first).Key)
			}
			o.Repository = host + "/team/two"
			second, err := Build(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, first.Image.Digest, second.Image.Digest)
			require.Contains(t, strings.Join(append(first.Warnings, second.Warnings...), "\n"), c.warning)
		})
	}
}

func TestALayerOfAnotherRepositoryIsLinkedByTheRegistry(t *testing.T) {
	installer(t, "npm", "package-lock.json")
	registry := registrytest.Handler()
	seen := &registrytest.Traffic{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.See(r)
		here := strings.Contains(r.URL.Path, "/two/")
		switch {
		case here && r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/"):
			w.WriteHeader(http.StatusNotFound)
		case here && r.Method == http.MethodPost && r.URL.Query().Get("from") == "team/cache":
			w.WriteHeader(http.StatusCreated)
		default:
			registry.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	o := prepared(writeTree(t, unprepared()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Repository, o.CacheRepository = host+"/one/app", host+"/team/cache"
	first, err := Build(t.Context(), o)
	require.NoError(t, err)
	o.Repository = host + "/two/app"
	seen.Reset()
	second, err := Build(t.Context(), o)
	require.NoError(t, err)
	layer := dependenciesOf(t, second)
	require.Equal(t, dependenciesOf(t, first).Digest, layer.Digest)
	require.True(t, layer.Mounted && layer.Reused && !layer.Uploaded)
	require.Empty(t, seen.With("GET", layer.Digest), "its bytes do not travel")
}
