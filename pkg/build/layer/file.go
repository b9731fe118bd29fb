// Package layer packs trees into layers that depend on their content only, and keeps
// layers in a registry for a later build.
package layer

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

// File is a compressed layer in a file; it implements [v1.Layer] once it is
// packed.
type File struct {
	name           string
	spool          *push.Spool
	packed         chan struct{} // closed when it is whole
	err            error         // why it is not
	digest, diffID v1.Hash
	size           int64
	migrations     migrations.Set
}

// New makes an empty layer with a name for people. Its file is in dir, and goes with it.
func New(dir, file, name string) (*File, error) {
	spool, err := push.NewSpool(filepath.Join(dir, file+".tar.gz"))
	if err != nil {
		return nil, err
	}
	return &File{name: name, spool: spool, packed: make(chan struct{})}, nil
}

// Pack writes the layer and takes its digests on the way, so that no layer is ever
// held in memory or read twice.
func (l *File) Pack(ctx context.Context, entries []tree.Entry, times time.Time) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("packing layer %q: %w", l.name, err)
		}
		l.err = err
		l.spool.Finish(err)
		close(l.packed)
	}()
	digest, diffID := sha256.New(), sha256.New()
	zipped := newParallelGzip(io.MultiWriter(l.spool, digest))
	plain := tar.NewWriter(io.MultiWriter(zipped, diffID))
	err = writeEntries(ctx, plain, entries, times)
	for _, c := range []io.Closer{plain, zipped} {
		if closed := c.Close(); err == nil {
			err = closed
		}
	}
	l.size, l.digest, l.diffID = l.spool.Size(), sum(digest), sum(diffID)
	l.migrations = migrationsIn(entries)
	return err
}

// migrationsIn are those among the files of a tree.
func migrationsIn(entries []tree.Entry) migrations.Set {
	var names []string
	for _, e := range entries {
		if e.Mode.IsRegular() {
			names = append(names, path.Join(backstage.WorkDir, e.Path))
		}
	}
	return migrations.Of(names)
}

// Migrations are the migration files in it.
func (l *File) Migrations() (migrations.Set, bool) { return l.migrations, l.err == nil }

// Wait gives the digest and size when the layer is packed.
func (l *File) Wait() (string, int64, error) {
	<-l.packed
	return l.digest.String(), l.size, l.err
}

// Open reads the compressed bytes from an offset on, while they are being packed.
func (l *File) Open(offset int64) (io.ReadCloser, error) { return l.spool.Open(offset) }

// Close closes its file.
func (l *File) Close() error { return l.spool.Close() }

func writeEntries(ctx context.Context, w *tar.Writer, entries []tree.Entry, times time.Time) error {
	made := map[string]bool{}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeParents(w, path.Dir(path.Join(backstage.WorkDir, e.Path)), times, made); err != nil {
			return err
		}
		if err := writeEntry(w, e, times); err != nil {
			return fmt.Errorf("adding %q: %w", e.Path, err)
		}
		if e.Mode.IsDir() {
			made[path.Join(backstage.WorkDir, e.Path)] = true
		}
	}
	return nil
}

// writeParents adds the folders above an entry that the layer has not had yet, so
// that a layer never depends on which other layers are below it.
func writeParents(w *tar.Writer, dir string, times time.Time, made map[string]bool) error {
	if dir == "." || made[dir] {
		return nil
	}
	if err := writeParents(w, path.Dir(dir), times, made); err != nil {
		return err
	}
	made[dir] = true
	return w.WriteHeader(header(dir, fs.ModeDir, "", 0, times))
}

func writeEntry(w *tar.Writer, e tree.Entry, times time.Time) error {
	name := path.Join(backstage.WorkDir, e.Path)
	if !e.Mode.IsRegular() {
		return w.WriteHeader(header(name, e.Mode, e.Link, 0, times))
	}
	file, err := e.Root.Open(e.Path)
	if err != nil {
		return tree.Unreadable(e.Path, err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it changed during the build")
	}
	if err := w.WriteHeader(header(name, info.Mode(), "", info.Size(), times)); err != nil {
		return err
	}
	_, err = io.Copy(w, io.LimitReader(file, info.Size()))
	return err
}

// header keeps of a file only what belongs to the application: the name, the
// content, and whether it can be executed.
func header(name string, mode fs.FileMode, link string, size int64, times time.Time) *tar.Header {
	h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size, Uid: backstage.Owner, Gid: backstage.Owner, ModTime: times}
	switch {
	case mode.IsDir():
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
	case mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, link, 0o777
	case mode&0o100 != 0:
		h.Mode = 0o755
	}
	return h
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// Digest implements [v1.Layer].
func (l *File) Digest() (v1.Hash, error) { return l.digest, l.err }

// DiffID implements [v1.Layer].
func (l *File) DiffID() (v1.Hash, error) { return l.diffID, l.err }

// Size implements [v1.Layer].
func (l *File) Size() (int64, error) { return l.size, l.err }

// MediaType implements [v1.Layer]. The image says it in its base's dialect.
func (l *File) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed implements [v1.Layer].
func (l *File) Compressed() (io.ReadCloser, error) { return l.spool.Open(0) }

// Uncompressed implements [v1.Layer].
func (l *File) Uncompressed() (io.ReadCloser, error) { return unzipped(l.Compressed()) }

// unzipped reads what a compressed stream holds.
func unzipped(compressed io.ReadCloser, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	plain, err := gzip.NewReader(compressed)
	if err != nil {
		_ = compressed.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, compressed}, nil
}
