package registrytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Complete reads all that an image consists of.
func Complete(t *testing.T, image record.Image) {
	t.Helper()
	layers, err := Pull(t, image).Layers()
	require.NoError(t, err)
	for _, l := range layers {
		body, err := l.Compressed()
		require.NoError(t, err)
		want, err := l.Digest()
		require.NoError(t, err)
		got, _, err := v1.SHA256(body)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// PushPlatforms puts a base image of several platforms there.
func PushPlatforms(t *testing.T, host string, architectures ...string) string {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range architectures {
		image, err := mutate.ConfigFile(EmptyImage(t), &v1.ConfigFile{OS: "linux", Architecture: architecture, RootFS: RootFS(t, EmptyImage(t)), Config: v1.Config{Env: []string{"NODE_VERSION=24.1.0"}}})
		require.NoError(t, err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	ref, err := name.ParseReference(host + "/library/node:many")
	require.NoError(t, err)
	require.NoError(t, remote.WriteIndex(ref, index))
	return ref.String()
}

// PackFiles makes a .tar.gz; "-> x" is a link, "=> x" a hard link, "mode 755" a file with that mode, or a
// folder, whose name ends in a slash. The order is that of the names.
func PackFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(files[name]))}
		if target, ok := strings.CutPrefix(files[name], "-> "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		}
		if target, ok := strings.CutPrefix(files[name], "=> "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, target, 0
		}
		if mode, ok := strings.CutPrefix(files[name], "mode "); ok {
			bits, err := strconv.ParseInt(mode, 8, 64)
			require.NoError(t, err)
			h.Mode = bits
		}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if files[name] == "device" {
			h.Typeflag, h.Size = tar.TypeChar, 0
		}
		require.NoError(t, w.WriteHeader(h))
		if h.Size > 0 {
			_, err := w.Write([]byte(files[name]))
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, zipped.Close())
	return out.String()
}

// Forms are layers of the same files in the forms that registries have, by name.
func Forms(t *testing.T, files map[string]string) map[string]v1.Layer {
	t.Helper()
	zipped := PackFiles(t, files)
	from, err := gzip.NewReader(strings.NewReader(zipped))
	require.NoError(t, err)
	plain, err := io.ReadAll(from)
	require.NoError(t, err)
	var members bytes.Buffer // as pigz and estargz write them
	for _, half := range [][]byte{plain[:len(plain)/2], plain[len(plain)/2:]} {
		w := gzip.NewWriter(&members)
		_, _ = w.Write(half) // into memory
		require.NoError(t, w.Close())
	}
	opener := func(content []byte) tarball.Opener {
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	}
	forms := map[string]v1.Layer{"as it is": static.NewLayer(plain, types.OCIUncompressedLayer)}
	for form, how := range map[string]struct {
		content []byte
		options []tarball.LayerOption
	}{
		"zstd":                   {plain, []tarball.LayerOption{tarball.WithCompression(compression.ZStd), tarball.WithMediaType("application/vnd.oci.image.layer.v1.tar+zstd")}},
		"gzip":                   {[]byte(zipped), []tarball.LayerOption{tarball.WithMediaType(types.OCILayer)}},
		"gzip, of two members":   {members.Bytes(), []tarball.LayerOption{tarball.WithMediaType(types.OCILayer)}},
		"gzip, in Docker's type": {[]byte(zipped), []tarball.LayerOption{tarball.WithMediaType(types.DockerLayer)}},
	} {
		forms[form], err = tarball.LayerFromOpener(opener(how.content), how.options...)
		require.NoError(t, err)
	}
	return forms
}

// Traffic notes what a registry is asked for.
type Traffic struct {
	mu    sync.Mutex
	lines []string
}

// See notes a request.
func (r *Traffic) See(request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, request.Method+" "+request.URL.RequestURI())
}

// Reset forgets all.
func (r *Traffic) Reset() { r.mu.Lock(); r.lines = nil; r.mu.Unlock() }

// With gives the lines that have all the parts.
func (r *Traffic) With(parts ...string) (found []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}
