package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// bombs are archives whose files are larger unpacked than any disk.
func TestFilesWithHolesAreRefused(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"by PAX 1.0": {Name: "big", Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{"STAGECREW.x": "1"}},
		"outside":    {Name: "../big", Typeflag: tar.TypeReg},
		"absolute":   {Name: "/big", Typeflag: tar.TypeReg},
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			pack := gzip.NewWriter(&text)
			w := tar.NewWriter(pack)
			require.NoError(t, w.WriteHeader(&header))
			require.NoError(t, w.Close())
			require.NoError(t, pack.Close())
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a.tar.gz"), text.Bytes(), 0o600))
			source, err := os.OpenRoot(dir)
			require.NoError(t, err)
			defer source.Close()
			target, err := os.OpenRoot(t.TempDir())
			require.NoError(t, err)
			defer target.Close()
			err = unpack(target, source, "a.tar.gz")
			if header.PAXRecords != nil {
				require.NoError(t, err, "the control: a record that says nothing about holes")
				return
			}
			require.ErrorContains(t, err, "[build/odd-file]")
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
	// Go's writer makes none, so that the reader's header stands for one.
	for _, h := range []*tar.Header{
		{Name: "big", Typeflag: tar.TypeGNUSparse},
		{Name: "big", PAXRecords: map[string]string{"GNU.sparse.realsize": "1099511627776"}},
		{Name: "big", PAXRecords: map[string]string{"GNU.sparse.major": "1"}},
	} {
		require.ErrorContains(t, fit(h), "a file with holes")
	}
}
