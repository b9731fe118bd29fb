package layer

import (
	"bytes"
	"compress/gzip"
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
