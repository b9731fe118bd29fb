package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// archiveOf packs files with these names and contents.
func archiveOf(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	to := tar.NewWriter(&out)
	for _, f := range files {
		require.NoError(t, to.WriteHeader(&tar.Header{Name: f[0], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f[1]))}))
		_, err := to.Write([]byte(f[1]))
		require.NoError(t, err)
	}
	require.NoError(t, to.Close())
	return out.Bytes()
}

func packed(t *testing.T, archive []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	to := gzip.NewWriter(&out)
	_, err := to.Write(archive)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return out.Bytes()
}

func TestABundleIsChangedInOneFile(t *testing.T) {
	before := packed(t, archiveOf(t, [2]string{"packages/backend/dist/index.cjs.js", "start()"}, [2]string{"packages/app/dist/index.html", "<html>"}))

	after, err := appended(before, "packages/backend/dist/index.cjs.js", "\n// changed\n")
	require.NoError(t, err)

	unpacked, err := gzip.NewReader(bytes.NewReader(after))
	require.NoError(t, err)
	archive, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.Equal(t, archiveOf(t, [2]string{"packages/backend/dist/index.cjs.js", "start()\n// changed\n"}, [2]string{"packages/app/dist/index.html", "<html>"}), archive)
}

func TestABundleWithoutTheFileIsNotChanged(t *testing.T) {
	_, err := appended(packed(t, archiveOf(t, [2]string{"other", "x"})), "packages/backend/dist/index.cjs.js", "text")
	require.ErrorContains(t, err, "there is no packages/backend/dist/index.cjs.js in it")
	_, err = appended([]byte("no archive"), "file", "text")
	require.Error(t, err)
}
