package images

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// headers lists what a tree's archive holds.
func headers(t *testing.T, tr *tree) map[string]*tar.Header {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, tr.writeTar(&buf))
	out := map[string]*tar.Header{}
	r := tar.NewReader(&buf)
	for {
		hdr, err := r.Next()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		out[hdr.Name] = hdr
	}
}

func TestTheSameTreeGivesTheSameBytes(t *testing.T) {
	fill := func(names ...string) []byte {
		tr := newTree(false)
		for _, name := range names {
			tr.file(name, 0o644, []byte("content of "+name))
		}
		var buf bytes.Buffer
		require.NoError(t, tr.writeTar(&buf))
		return buf.Bytes()
	}
	require.Equal(t, fill("etc/a", "etc/b", "c"), fill("c", "etc/b", "etc/a"))
	require.NotEqual(t, fill("a"), fill("b"))
}

func TestTheSameTreeGivesTheSameLayerFromOtherFiles(t *testing.T) {
	var digests []string
	for range 2 {
		src := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(src, "program"), []byte("#!/bin/sh\n"), 0o700))
		require.NoError(t, os.Symlink("program", filepath.Join(src, "link")))
		tr := newTree(true)
		require.NoError(t, tr.addDir(src, "opt", everything))
		l, err := tr.layer(t.TempDir(), "x")
		require.NoError(t, err)
		d, err := l.Digest()
		require.NoError(t, err)
		digests = append(digests, d.String())
	}
	require.Equal(t, digests[0], digests[1])
}

func TestOldPathsGoBelowUsrInAMergedSystem(t *testing.T) {
	tr := newTree(true)
	tr.rootLinks()
	tr.put("./bin/", entry{kind: tar.TypeDir, mode: 0o755})
	tr.file("./bin/dash", 0o755, []byte("x"))
	tr.put("./bin/second", entry{kind: tar.TypeLink, link: "./bin/dash"})
	tr.file("/lib/x86_64-linux-gnu/libc.so.6", 0o755, []byte("y"))
	tr.file("../../etc/passwd", 0o644, []byte("z"))

	got := headers(t, tr)
	require.Contains(t, got, "usr/bin/dash")
	require.Contains(t, got, "usr/lib/x86_64-linux-gnu/libc.so.6")
	require.Contains(t, got, "etc/passwd")
	require.Equal(t, "usr/bin", got["bin"].Linkname)
	require.Equal(t, byte(tar.TypeSymlink), got["bin"].Typeflag)
	require.Equal(t, "usr/bin/dash", got["usr/bin/second"].Linkname)
}

func TestHardLinksFollowTheirTargets(t *testing.T) {
	tr := newTree(false)
	tr.put("a", entry{kind: tar.TypeLink, link: "z"})
	tr.file("z", 0o644, nil)
	require.Equal(t, []string{"z", "a"}, tr.order())
}

func TestTheFirstPackageDecidesADirectorysMode(t *testing.T) {
	tr := newTree(false)
	tr.put("tmp", entry{kind: tar.TypeDir, mode: 0o1777})
	tr.put("tmp", entry{kind: tar.TypeDir, mode: 0o755})
	require.Equal(t, int64(0o1777), headers(t, tr)["tmp/"].Mode)

	tr.mkdir("tmp", 0o700, 5, 6)
	got := headers(t, tr)["tmp/"]
	require.Equal(t, int64(0o700), got.Mode)
	require.Equal(t, []int{5, 6}, []int{got.Uid, got.Gid})
}
