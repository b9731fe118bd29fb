package workspace

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
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
			err = Unpack(target, source, "a.tar.gz")
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

func TestUnpackedFilesStayExecutable(t *testing.T) {
	root, err := os.OpenRoot(treetest.Write(t, map[string]string{"x.tar.gz": registrytest.PackFiles(t, map[string]string{"run": "mode 755", "read": "mode 444", "link": "-> run"})}))
	require.NoError(t, err)
	defer root.Close()
	require.NoError(t, Unpack(root, root, "x.tar.gz"))
	for name, want := range map[string]bool{"run": true, "read": false, "link": true} {
		info, err := root.Stat(name)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode()&0o100 != 0, name)
	}
}

func TestAnArchiveCannotLeaveItsFolder(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a name that climbs out", map[string]string{"../../outside": "x"}, "outside"},
		{"an absolute name", map[string]string{"/outside": "x"}, "outside"},
		{"a link that climbs out, and a file through it", map[string]string{"a": "-> ../..", "a/outside": "x"}, "outside"},
		{"a device", map[string]string{"x": "device"}, "[build/odd-file]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "a"), 0o755))
			source, err := os.OpenRoot(treetest.Write(t, map[string]string{"x.tar.gz": registrytest.PackFiles(t, c.files)}))
			require.NoError(t, err)
			defer source.Close()
			target, err := os.OpenRoot(filepath.Join(dir, "a"))
			require.NoError(t, err)
			defer target.Close()
			require.ErrorContains(t, Unpack(target, source, "x.tar.gz"), c.want)
			left, err := filepath.Glob(filepath.Join(dir, "outside"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
