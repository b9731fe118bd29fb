package build

import (
	"archive/tar"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// headers are those of our layers by path; a later one wins.
func headers(t *testing.T, r Result) map[string]*tar.Header {
	t.Helper()
	all := map[string]*tar.Header{}
	eachEntry(t, r, func(h *tar.Header, _ io.Reader) { all[h.Name] = h })
	return all
}

// TestModesLinksAndEmptyFolders: nobody gets the rights of an owner, a hard link is a file
// of its own, an empty folder stays, and what its owner could run can be run: the image's
// user owns it; times and the rest of the modes do not count. Sources:
// GoogleContainerTools/jib#1270, podman-container-tools/buildah#574 (setuid of what is copied).
func TestModesLinksAndEmptyFolders(t *testing.T) {
	host := registrytest.Serve(t, nil)
	dir := writeTree(t, portal())
	at := func(name string) string { return filepath.Join(dir, "catalog", name) }
	require.NoError(t, os.MkdirAll(at("empty"), 0o700))
	for name, mode := range map[string]fs.FileMode{"suid": 0o755 | fs.ModeSetuid, "sgid": 0o755 | fs.ModeSetgid, "run.sh": 0o700, "group.sh": 0o654, "private": 0o600} {
		require.NoError(t, os.WriteFile(at(name), []byte("#!/bin/sh\n"), 0o600))
		require.NoError(t, os.Chmod(at(name), mode))
	}
	require.NoError(t, os.Link(at("run.sh"), at("hard.sh")))
	o := options(dir, host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	first, err := Build(t.Context(), o)
	require.NoError(t, err)
	there := headers(t, first)
	for name, mode := range map[string]int64{"suid": 0o755, "sgid": 0o755, "run.sh": 0o755, "hard.sh": 0o755, "group.sh": 0o644, "private": 0o644} {
		h := there["app/catalog/"+name]
		require.NotNil(t, h, name)
		require.Equal(t, byte(tar.TypeReg), h.Typeflag, name)
		require.EqualValues(t, 10, h.Size, name)
		require.Equal(t, mode, h.Mode, name)
	}
	require.Equal(t, byte(tar.TypeDir), there["app/catalog/empty/"].Typeflag)
	require.NoError(t, os.Chtimes(at("run.sh"), time.Now(), time.Now()))
	require.NoError(t, os.Chtimes(at("private"), time.Unix(-5, 0), time.Unix(-5, 0)))
	again, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, first.Image, again.Image)
}

// TestAFileMayBeginWithAByteOrderMark, as npm and Node read it: kind of
// anchore/scan-action#153; Windows editors write one.
func TestAFileMayBeginWithAByteOrderMark(t *testing.T) {
	for _, name := range []string{"package.json", "packages/backend/package.json", "package-lock.json", "app-config.yaml", "node_modules/pg/package.json", "backstage.json"} {
		t.Run(name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			files := portal()
			files[name] = "\ufeff" + files[name]
			result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
			require.NoError(t, err)
			require.Equal(t, files[name], filesOf(t, result)["app/"+name], "it stays as it is")
		})
	}
}

// TestABaseInEachFormOfALayer is built on: GoogleContainerTools/jib#3714,
// apple/container#988 (zstd).
func TestABaseInEachFormOfALayer(t *testing.T) {
	for form, layer := range registrytest.Forms(t, map[string]string{"etc/os-release": "ID=debian\nVERSION_ID=12\n", "lib64/ld-linux-x86-64.so.2": "x"}) {
		t.Run(form, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			reference := pushChangedBase(t, host, func(base v1.Image) (v1.Image, error) { return mutate.Append(base, mutate.Addendum{Layer: layer}) })
			result, err := Build(t.Context(), options(writeTree(t, portal()), host, reference))
			require.NoError(t, err)
			manifest, err := registrytest.Pull(t, result.Image).Manifest()
			require.NoError(t, err)
			want, err := layer.Digest()
			require.NoError(t, err)
			require.Equal(t, want, manifest.Layers[2].Digest, "the base's layers are taken as they are")
		})
	}
}
