package build

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
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	workDir = "app" // of the image, without the leading slash that archives lack
	owner   = 1000  // uid and gid of every entry, and the user of the image
	// The level is part of the digest: another level gives other bytes.
	gzipLevel = gzip.DefaultCompression
)

type archiveOptions struct {
	dir       string    // for the layers' files
	created   time.Time // of every entry
	mediaType types.MediaType
}

// archiveAll writes our layers to files.
func archiveAll(ctx context.Context, root *os.Root, p *plan, o archiveOptions, log *slog.Logger) ([]*fileLayer, error) {
	var layers []*fileLayer
	for _, part := range []struct {
		name    string
		entries []entry
	}{
		{LayerDependencies, p.dependencies},
		{LayerApplication, p.application},
		{LayerConfiguration, p.configuration},
	} {
		log.Debug("packing layer", "name", part.name, "entries", len(part.entries))
		layer, err := archive(ctx, root, part.name, part.entries, o)
		if err != nil {
			return nil, fmt.Errorf("packing layer %q: %w", part.name, err)
		}
		log.Info("layer packed", "name", part.name, "entries", len(part.entries), "bytes", layer.size)
		layers = append(layers, layer)
	}
	return layers, nil
}

// archive writes one compressed layer and takes its digests on the way, so that
// no layer is ever held in memory or read twice.
func archive(ctx context.Context, root *os.Root, name string, entries []entry, o archiveOptions) (*fileLayer, error) {
	file, err := os.Create(filepath.Join(o.dir, name+".tar.gz"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	digest, diffID := sha256.New(), sha256.New()
	compressed := &counter{w: io.MultiWriter(file, digest)}
	zipped, err := gzip.NewWriterLevel(compressed, gzipLevel)
	if err != nil {
		return nil, err
	}
	plain := tar.NewWriter(io.MultiWriter(zipped, diffID))
	if err := writeEntries(ctx, plain, root, entries, o.created); err != nil {
		return nil, err
	}
	for _, c := range []io.Closer{plain, zipped, file} {
		if err := c.Close(); err != nil {
			return nil, err
		}
	}
	return &fileLayer{name: name, file: file.Name(), size: compressed.n, digest: sum(digest), diffID: sum(diffID), mediaType: o.mediaType}, nil
}

func writeEntries(ctx context.Context, w *tar.Writer, root *os.Root, entries []entry, created time.Time) error {
	made := map[string]bool{}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := writeParents(w, path.Dir(path.Join(workDir, e.path)), created, made); err != nil {
			return err
		}
		if err := writeEntry(w, root, e, created); err != nil {
			return fmt.Errorf("adding %q: %w", e.path, err)
		}
		if e.mode.IsDir() {
			made[path.Join(workDir, e.path)] = true
		}
	}
	return nil
}

// writeParents adds the folders above an entry that the layer has not had yet, so
// that a layer never depends on which other layers are below it.
func writeParents(w *tar.Writer, dir string, created time.Time, made map[string]bool) error {
	if dir == "." || made[dir] {
		return nil
	}
	if err := writeParents(w, path.Dir(dir), created, made); err != nil {
		return err
	}
	made[dir] = true
	return w.WriteHeader(header(dir, fs.ModeDir, "", 0, created))
}

func writeEntry(w *tar.Writer, root *os.Root, e entry, created time.Time) error {
	name := path.Join(workDir, e.path)
	if !e.mode.IsRegular() {
		return w.WriteHeader(header(name, e.mode, e.link, 0, created))
	}
	file, err := root.Open(e.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it changed during the build")
	}
	if err := w.WriteHeader(header(name, info.Mode(), "", info.Size(), created)); err != nil {
		return err
	}
	_, err = io.Copy(w, io.LimitReader(file, info.Size()))
	return err
}

// header keeps of a file only what belongs to the application: the name, the
// content, and whether it can be executed.
func header(name string, mode fs.FileMode, link string, size int64, created time.Time) *tar.Header {
	h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size, Uid: owner, Gid: owner, ModTime: created}
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

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// fileLayer is a compressed layer in a file; it implements [v1.Layer].
type fileLayer struct {
	name, file     string
	size           int64
	digest, diffID v1.Hash
	mediaType      types.MediaType
}

func (l *fileLayer) Digest() (v1.Hash, error)            { return l.digest, nil }
func (l *fileLayer) DiffID() (v1.Hash, error)            { return l.diffID, nil }
func (l *fileLayer) Size() (int64, error)                { return l.size, nil }
func (l *fileLayer) MediaType() (types.MediaType, error) { return l.mediaType, nil }
func (l *fileLayer) Compressed() (io.ReadCloser, error)  { return os.Open(l.file) }
func (l *fileLayer) Uncompressed() (io.ReadCloser, error) {
	file, err := os.Open(l.file)
	if err != nil {
		return nil, err
	}
	plain, err := gzip.NewReader(file)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, file}, nil
}
