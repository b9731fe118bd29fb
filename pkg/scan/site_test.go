//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
)

// site is a registry with a database, and a cache.
type site struct {
	host     string
	database string
	cache    string
	close    func()
	// answer, when set, is asked before the registry.
	answer func(http.ResponseWriter, *http.Request) bool
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{cache: t.TempDir()}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.answer == nil || !s.answer(w, r) {
			inner.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.close = server.Close
	s.host = strings.TrimPrefix(server.URL, "http://")
	s.database = s.host + "/aquasecurity/trivy-db:2"
	return s
}

// withDatabase is a site whose database has all advisories.
func withDatabase(t testing.TB) *site {
	t.Helper()
	s := newSite(t)
	require.NoError(t, scantest.Push(t.Context(), s.database))
	return s
}

func (s *site) options(image record.Image) scan.Options {
	return scan.Options{Images: hasty, Image: image, Database: s.database, CacheDir: s.cache}
}

// push pushes an image with one layer of the given files.
func (s *site) push(t testing.TB, files map[string]string) record.Image {
	t.Helper()
	return s.pushImage(t, image(t, files))
}

func (s *site) pushImage(t testing.TB, img v1.Image) record.Image {
	t.Helper()
	digest, err := img.Digest()
	require.NoError(t, err)
	pushed, err := record.ParseImage(s.host + "/team/app@" + digest.String())
	require.NoError(t, err)
	ref, err := name.ParseReference(pushed.String())
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, img, remote.WithContext(t.Context())))
	return pushed
}

func (s *site) pushIndex(t *testing.T, index v1.ImageIndex) record.Image {
	t.Helper()
	digest, err := index.Digest()
	require.NoError(t, err)
	pushed, err := record.ParseImage(s.host + "/team/app@" + digest.String())
	require.NoError(t, err)
	ref, err := name.ParseReference(pushed.String())
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(ref, index))
	return pushed
}

// requests counts the requests for a path that has part in it.
func (s *site) requests(part string) *atomic.Int32 {
	n := new(atomic.Int32)
	s.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, part) {
			n.Add(1)
		}
		return false
	}
	return n
}

func image(t testing.TB, files map[string]string) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layer(t, files))
	require.NoError(t, err)
	return img
}

func layer(t testing.TB, files map[string]string) v1.Layer {
	t.Helper()
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	for path, text := range files {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(text))}))
		_, err := archive.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content.Bytes())), nil
	})
	require.NoError(t, err)
	return l
}

func npm(name, version string) map[string]string {
	return map[string]string{"app/node_modules/" + name + "/package.json": `{"name":"` + name + `","version":"` + version + `","license":"MIT"}`}
}

// debian gives the files by which a Debian with one package is recognised.
func debian(release, source, name, version string) map[string]string {
	return map[string]string{
		"etc/debian_version":      release + "\n",
		"etc/os-release":          "ID=debian\nVERSION_ID=\"" + strings.Split(release, ".")[0] + "\"\n",
		"var/lib/dpkg/status.d/x": "Package: " + name + "\nSource: " + source + "\nStatus: install ok installed\nMaintainer: Debian\nArchitecture: amd64\nVersion: " + version + "\n\n",
	}
}

func join(all ...map[string]string) map[string]string {
	joined := map[string]string{}
	for _, files := range all {
		for path, text := range files {
			joined[path] = text
		}
	}
	return joined
}
