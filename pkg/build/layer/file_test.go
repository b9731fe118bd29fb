package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
)

func TestTheUncompressedLayerIsTheOneInTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}"), 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	l, err := New(t.TempDir(), "x", "application")
	require.NoError(t, err)
	require.NoError(t, l.Pack(t.Context(), []tree.Entry{{Root: root, Path: "package.json"}}, time.Unix(0, 0)))
	plain, err := l.Uncompressed()
	require.NoError(t, err)
	defer plain.Close()
	digest, _, err := v1.SHA256(plain)
	require.NoError(t, err)
	require.Equal(t, l.diffID, digest)
	whole, err := l.Compressed()
	require.NoError(t, err)
	file, err := io.ReadAll(whole)
	require.NoError(t, err)
	digest, size, err := v1.SHA256(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, l.digest, digest)
	require.Equal(t, l.size, size)
	zipped, err := gzip.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	require.True(t, zipped.ModTime.IsZero())
}

// TestFilesOfAnySizeAreWritten: moby/moby#37581, #40444 (8 GiB, which the oldest header
// cannot say), and the size at the end of gzip, which counts to 4 GiB only.
func TestFilesOfAnySizeAreWritten(t *testing.T) {
	for _, size := range []int64{1<<32 + 1, 8<<30 - 1, 8 << 30, 1 << 40} {
		var archive bytes.Buffer
		require.NoError(t, tar.NewWriter(&archive).WriteHeader(header("app/big", 0o644, "", size, time.Unix(0, 0))))
		h, err := tar.NewReader(&archive).Next()
		require.NoError(t, err)
		require.Equal(t, size, h.Size)
	}
	var zipped bytes.Buffer
	w := newParallelGzip(&zipped)
	w.size = 1<<32 - 5 // so much was written before
	_, err := w.Write(make([]byte, 12))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.EqualValues(t, 7, binary.LittleEndian.Uint32(zipped.Bytes()[zipped.Len()-4:]))
}
