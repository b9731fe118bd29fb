package workspace

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Limits of the archives that `yarn build:backend` writes.
const (
	maxUnpacked = 8 << 30
	maxFiles    = 500_000
)

// eachPacked calls visit for each entry of a .tar.gz of the workspace. The names
// are cleaned and lie inside; the content is that of the entry only.
func eachPacked(root *os.Root, name string, visit func(h *tar.Header, content io.Reader) error) error {
	file, err := root.Open(name)
	if err != nil {
		return record.BadInput("build/no-backend", "opening %s: %w", name, err)
	}
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return record.BadInput("build/no-backend", "reading %s: %w; build again", name, err)
	}
	reader := tar.NewReader(io.LimitReader(plain, maxUnpacked))
	for range maxFiles {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return record.BadInput("build/no-backend", "reading %s: %w; build again", name, err)
		}
		h.Name = path.Clean(h.Name)
		if h.Name == "." {
			continue
		}
		err = fit(h)
		if err == nil {
			err = visit(h, reader)
		}
		if err != nil && strings.Contains(err.Error(), "path escapes from parent") { // as os.Root has it
			err = record.BadInput("build/odd-file", "it leads out of the archive: %w", err)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %q: %w", name, h.Name, err)
		}
	}
	return record.BadInput("build/no-backend", "reading %s: it has more than %d files", name, maxFiles)
}

// fit refuses what would be another thing unpacked than it is in the archive: files
// with holes, of which a few bytes can stand for more than any disk has.
func fit(h *tar.Header) error {
	if !fs.ValidPath(h.Name) {
		return record.BadInput("build/odd-file", "its name leads out of the archive")
	}
	sparse := h.Typeflag == tar.TypeGNUSparse
	for key := range h.PAXRecords {
		sparse = sparse || strings.HasPrefix(key, "GNU.sparse.")
	}
	if sparse {
		return record.BadInput("build/odd-file", "it is a file with holes, which `yarn build:backend` does not write")
	}
	return nil
}

// Unpack writes what an archive of the workspace holds below a root, which no name
// and no link can leave.
func Unpack(target, source *os.Root, name string) error {
	return eachPacked(source, name, func(h *tar.Header, content io.Reader) error {
		if h.Typeflag == tar.TypeDir {
			return target.MkdirAll(h.Name, 0o755)
		}
		if err := target.MkdirAll(path.Dir(h.Name), 0o755); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeReg:
			return unpackFile(target, h, content)
		case tar.TypeSymlink:
			return target.Symlink(h.Linkname, h.Name)
		case tar.TypeLink:
			return copyLinked(target, path.Clean(h.Linkname), h.Name)
		}
		return record.BadInput("build/odd-file", "the archive holds something that is no file, folder or symbolic link")
	})
}

// copyLinked makes a file of its own of another name for one that came before: what a
// packer meets again, by the number of its inode, it writes as a link (pnpm/pnpm#7062,
// versatiles-org/versatiles-frontend#84).
func copyLinked(target *os.Root, from, name string) error {
	if !fs.ValidPath(from) {
		return record.BadInput("build/odd-file", "it is another name for %q, which is not in the archive", from)
	}
	info, err := target.Lstat(from)
	if err != nil || !info.Mode().IsRegular() {
		return record.BadInput("build/odd-file", "it is another name for %q, which is no file before it in the archive", from)
	}
	content, err := target.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	return unpackFile(target, &tar.Header{Name: name, Mode: int64(info.Mode().Perm())}, content)
}

func unpackFile(target *os.Root, h *tar.Header, content io.Reader) error {
	mode := os.FileMode(0o644)
	if h.Mode&0o100 != 0 {
		mode = 0o755
	}
	// The skeleton's files come again in the bundle.
	file, err := target.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
