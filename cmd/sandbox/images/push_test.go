package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

// startRegistry serves an empty registry and counts the blobs that are sent to it.
func startRegistry(t *testing.T) (host string, uploads *atomic.Int64) {
	t.Helper()
	uploads = new(atomic.Int64)
	reg := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/blobs/uploads") {
			uploads.Add(1)
		}
		reg.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), uploads
}

func smallImage(t *testing.T, content string) v1.Image {
	t.Helper()
	tr := newTree(false)
	tr.file("etc/content", 0o644, []byte(content))
	l, err := tr.layer(t.TempDir(), "small")
	require.NoError(t, err)
	img, err := stack(layerNote{l, "test"})
	require.NoError(t, err)
	img, err = withConfig(img, v1.Config{Cmd: []string{"sh"}})
	require.NoError(t, err)
	return img
}

func layoutOf(t *testing.T, img v1.Image) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	require.NoError(t, writeLayout(img, filepath.Join(t.TempDir(), "scratch"), dir))
	return dir
}

// digestAt asks the registry what a name stands for.
func digestAt(t *testing.T, ref string) string {
	t.Helper()
	r, err := name.ParseReference(ref)
	require.NoError(t, err)
	d, err := remote.Head(r)
	require.NoError(t, err)
	return d.Digest.String()
}

func TestPushGivesAnImageAllItsNamesAndSendsItOnce(t *testing.T) {
	host, uploads := startRegistry(t)
	dir := layoutOf(t, smallImage(t, "a"))
	img, err := openImage(recipe{names: []string{"docker.io/library/demo:1.2", "docker.io/library/demo:1", "registry.k8s.io/demo:x"}}, dir)
	require.NoError(t, err)

	require.NoError(t, Push(t.Context(), img, host, nil))
	for _, ref := range []string{"/library/demo:1.2", "/library/demo:1", "/demo:x"} {
		require.Equal(t, img.Digest, digestAt(t, host+ref))
	}
	before := uploads.Load()
	require.NoError(t, Push(t.Context(), img, host, nil))
	require.Equal(t, before, uploads.Load(), "blobs that are there were sent again")
}

func TestLoadTakesEachKindOfFile(t *testing.T) {
	img := smallImage(t, "b")
	want, err := img.Digest()
	require.NoError(t, err)
	cfg, err := img.ConfigName()
	require.NoError(t, err)
	dir := layoutOf(t, img)
	ociTar := filepath.Join(t.TempDir(), "oci.tar")
	require.NoError(t, os.WriteFile(ociTar, tarOf(t, dir), 0o644))

	tag, err := name.NewTag("example.com/team/demo:1")
	require.NoError(t, err)
	docker := filepath.Join(t.TempDir(), "docker.tar")
	require.NoError(t, tarball.WriteToFile(docker, tag, img))
	dockerGz := filepath.Join(t.TempDir(), "docker.tar.gz")
	require.NoError(t, os.WriteFile(dockerGz, gzipped(t, docker), 0o644))

	for kind, path := range map[string]string{
		"the directory of a layout": dir, "an archive of a layout": ociTar,
		"what docker save writes": docker, "the same, compressed": dockerGz,
	} {
		t.Run(kind, func(t *testing.T) {
			host, _ := startRegistry(t)
			require.NoError(t, Load(t.Context(), path, host+"/team/demo:2", nil))
			if path == dir || path == ociTar {
				require.Equal(t, want.String(), digestAt(t, host+"/team/demo:2"))
				return
			}
			// Docker's format has no manifest of its own: the configuration is what stays.
			ref, err := name.ParseReference(host + "/team/demo:2")
			require.NoError(t, err)
			got, err := remote.Image(ref)
			require.NoError(t, err)
			gotCfg, err := got.ConfigName()
			require.NoError(t, err)
			require.Equal(t, cfg, gotCfg)
		})
	}
}

func TestLoadSaysWhatIsWrongWithAFile(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(text, []byte("just words"), 0o644))
	var buf bytes.Buffer
	require.NoError(t, tar.NewWriter(&buf).Close())
	emptyTar := filepath.Join(t.TempDir(), "empty.tar")
	require.NoError(t, os.WriteFile(emptyTar, buf.Bytes(), 0o644))

	several := filepath.Join(t.TempDir(), "several")
	p, err := layout.Write(several, empty.Index)
	require.NoError(t, err)
	for _, n := range []string{"one", "two"} {
		require.NoError(t, p.AppendImage(smallImage(t, n), layout.WithAnnotations(map[string]string{refName: "127.0.0.1:1/" + n + ":1"})))
	}

	for name, c := range map[string]struct{ path, ref, want string }{
		"no such file":                  {"/nonexistent/image.tar", "127.0.0.1:1/none:1", "opening image"},
		"not an archive":                {text, "127.0.0.1:1/none:1", "reading image archive"},
		"an archive that is no image":   {emptyTar, "127.0.0.1:1/none:1", "not an image"},
		"a reference that is none":      {several, "UPPER CASE", "parsing reference"},
		"several images, none named so": {several, "127.0.0.1:1/three:1", `"127.0.0.1:1/one:1", "127.0.0.1:1/two:1"`},
		"a registry that is not there":  {several, "127.0.0.1:1/two:1", "pushing"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, Load(t.Context(), c.path, c.ref, nil), c.want)
		})
	}
}

// tarOf packs the files of a directory.
func tarOf(t *testing.T, dir string) []byte {
	t.Helper()
	tr := newTree(false)
	require.NoError(t, tr.addDir(dir, ".", everything))
	var buf bytes.Buffer
	require.NoError(t, tr.writeTar(&buf))
	return buf.Bytes()
}

func gzipped(t *testing.T, file string) []byte {
	t.Helper()
	body, err := os.ReadFile(file)
	require.NoError(t, err)
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	_, err = zw.Write(body)
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	return buf.Bytes()
}
