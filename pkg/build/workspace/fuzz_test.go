package workspace

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzUnpack: nothing that an archive of the workspace holds may land outside.
func FuzzUnpack(f *testing.F) {
	f.Add("a/../../b", "../../etc/passwd", byte(tar.TypeSymlink), []byte("x"))
	f.Add("packages/backend/dist/index.cjs.js", "", byte(tar.TypeReg), []byte("run()"))
	f.Add("/etc/passwd", "/", byte(tar.TypeLink), []byte{})
	f.Add("a\x00b", "c", byte(tar.TypeDir), []byte{0xff})
	f.Fuzz(func(t *testing.T, name, link string, kind byte, content []byte) {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		archive := tar.NewWriter(zip)
		for i, h := range []tar.Header{
			{Name: name, Linkname: link, Typeflag: kind, Mode: 0o644}, {Name: name + "/below", Typeflag: tar.TypeReg, Size: int64(len(content)), Mode: 0o755},
		} {
			if archive.WriteHeader(&h) != nil {
				return
			}
			if i == 1 {
				_, _ = archive.Write(content)
			}
		}
		_ = archive.Close()
		_ = zip.Close()
		unpackedInside(t, packed.Bytes())
		unpackedInside(t, content)
	})
}

// unpackedInside unpacks an archive and looks at what lies beside the target.
func unpackedInside(t *testing.T, packed []byte) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "target"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bundle.tar.gz"), packed, 0o600))
	target, err := os.OpenRoot(filepath.Join(dir, "target"))
	require.NoError(t, err)
	defer target.Close()
	source, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer source.Close()
	_ = Unpack(target, source, "bundle.tar.gz")
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		rest := strings.TrimPrefix(path, dir)
		require.True(t, rest == "" || rest == "/bundle.tar.gz" || rest == "/target" || strings.HasPrefix(rest, "/target/"), "%s lies outside", path)
		return err
	}))
}
