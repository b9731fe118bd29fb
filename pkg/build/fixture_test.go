package build

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// fixed is a source of numbers that makes test images the same each time.
type fixed struct{}

func (fixed) Int63() int64 { return 4 }
func (fixed) Seed(int64)   {}

// backstage is a small installed workspace: content by path, "-> x" is a link,
// "#!" makes a file executable.
func backstage() map[string]string {
	return map[string]string{
		"package.json":                                `{"workspaces":["packages/*"]}`,
		"package-lock.json":                           `{"lockfileVersion":3}`,
		"backstage.json":                              `{"version":"1.55.0"}`,
		"catalog-info.yaml":                           "kind: Component\n",
		"app-config.yaml":                             "app: {title: Test}\n",
		"app-config.production.yaml":                  "backend: {listen: ':7007'}\n",
		"app-config.local.yaml":                       "token: secret\n",
		".npmrc":                                      "//registry/:_authToken=secret\n",
		".env":                                        "TOKEN=secret\n",
		".git/config":                                 "[core]\n",
		"notes.txt":                                   "not part of the application\n",
		"node_modules/pg/package.json":                `{"name":"pg"}`,
		"node_modules/pg/bin/run.js":                  "#!/usr/bin/env node\n",
		"node_modules/.bin/run":                       "-> ../pg/bin/run.js",
		"node_modules/.cache/x":                       "cache\n",
		"node_modules/app":                            "-> ../packages/app",
		"node_modules/" + strings.Repeat("n", 120):    "a name too long for the oldest archive format\n",
		"packages/app/package.json":                   `{"name":"app"}`,
		"packages/app/dist/index.html":                "<html></html>\n",
		"packages/app/src/App.tsx":                    "source\n",
		"packages/backend/package.json":               `{"name":"backend","main":"dist/index.cjs.js"}`,
		"packages/backend/dist/index.cjs.js":          "'use strict';\n",
		"packages/backend/dist/bundle.tar.gz":         "packed\n",
		"packages/backend/node_modules/knex/index.js": "nested\n",
	}
}

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			require.NoError(t, os.Symlink(target, path))
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
	}
	return dir
}

func registryHandler() http.Handler {
	return registry.New(registry.Logger(log.New(io.Discard, "", 0)))
}

func emptyImage(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(64, 1, random.WithSource(fixed{}))
	require.NoError(t, err)
	return mutate.MediaType(image, types.OCIManifestSchema1)
}

// tee copies what is read of a body.
func tee(body io.ReadCloser, w io.Writer) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(body, w), body}
}

// serve starts a registry and gives its host; each request goes to see as well.
func serve(t *testing.T, see func(*http.Request)) string {
	t.Helper()
	handler := registryHandler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if see != nil {
			see(r)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// pushBase puts a base image there and gives its reference by tag.
func pushBase(t *testing.T, host string, manifest types.MediaType) string {
	t.Helper()
	image, err := random.Image(512, 2, random.WithSource(fixed{}))
	require.NoError(t, err)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: rootFS(t, image), Config: v1.Config{
		User: "root", Entrypoint: []string{"docker-entrypoint.sh"}, Cmd: []string{"node"},
		Env: []string{"PATH=/usr/bin", "NODE_ENV=development", "NODE_OPTIONS=--enable-source-maps"},
	}})
	require.NoError(t, err)
	image = mutate.MediaType(image, manifest)
	ref, err := name.ParseReference(host + "/library/node:24")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	return ref.String()
}

func rootFS(t *testing.T, image v1.Image) v1.RootFS {
	t.Helper()
	config, err := image.ConfigFile()
	require.NoError(t, err)
	return config.RootFS
}

// find gives what a reference leads to now, with no digest when it is not there.
func find(t *testing.T, reference string, options ...remote.Option) record.Image {
	t.Helper()
	ref, err := name.ParseReference(reference)
	require.NoError(t, err)
	found, err := remote.Head(ref, options...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return record.Image{Repository: ref.Context().Name()}
	}
	require.NoError(t, err)
	return record.Image{Repository: ref.Context().Name(), Digest: found.Digest.String()}
}

func pull(t *testing.T, image record.Image) v1.Image {
	t.Helper()
	ref, err := name.NewDigest(image.String())
	require.NoError(t, err)
	got, err := remote.Image(ref)
	require.NoError(t, err)
	return got
}

// open are the hosts of the registries of tests, which do not encrypt.
var open = []string{"127.0.0.1"}

// hasty does not make a test wait.
var hasty = Images{Insecure: open, Retry: Retry{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}

func options(source, host, base string) Options {
	return Options{Images: hasty, Environ: os.Environ(), Source: source, BaseImage: base, Repository: host + "/team/backstage", Version: "1.0.0", Revision: "abc", SourceURL: "https://example.com/repo"}
}
