//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const (
	databaseMediaType = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
	// The public database is about 1 GB unpacked in 2026.
	maxDatabase = 16 << 30
	maxMetadata = 1 << 20
)

// store keeps the databases of one reference in the cache, each in a directory
// named after its digest that appears there whole or not at all.
type store struct {
	root string
	key  string
}

func newStore(cacheDir string, ref name.Reference) store {
	sum := sha256.Sum256([]byte(ref.Name()))
	return store{root: filepath.Join(cacheDir, "databases"), key: hex.EncodeToString(sum[:6])}
}

func (s store) path(digest v1.Hash) string {
	return filepath.Join(s.root, s.key+"-"+digest.Hex)
}

// newest opens the usable database that was fetched last.
func (s store) newest() (database, error) {
	dirs, err := filepath.Glob(filepath.Join(s.root, s.key+"-*"))
	if err != nil || len(dirs) == 0 {
		return database{}, errors.Join(err, fs.ErrNotExist)
	}
	var newest database
	for _, dir := range dirs {
		found, openErr := openDatabase(dir)
		if openErr != nil {
			err = openErr
		} else if newest.dir == "" || found.DownloadedAt.After(newest.DownloadedAt) {
			newest = found
		}
	}
	if newest.dir == "" {
		return database{}, err
	}
	return newest, nil
}

// fetch downloads a database artifact, and removes what it replaces.
func (s store) fetch(artifact v1.Image, digest v1.Hash) error {
	layers, err := artifact.Layers()
	if err != nil {
		return err
	}
	if len(layers) != 1 {
		return fmt.Errorf("%w: it has %s, not one", errNotADatabase, count(len(layers), "layer"))
	}
	if mediaType, err := layers[0].MediaType(); err != nil || mediaType != databaseMediaType {
		return errors.Join(err, fmt.Errorf("%w: its layer is of type %q, not %q", errNotADatabase, mediaType, databaseMediaType))
	}
	if size, err := layers[0].Size(); err != nil || size > maxDatabase {
		return errors.Join(err, fmt.Errorf("%w: it has %d bytes", errNotADatabase, size))
	}
	if err := os.MkdirAll(s.root, 0o750); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(s.root, ".partial-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(partial) }()
	if err := unpack(layers[0], partial); err != nil {
		return err
	}
	if err := stamp(partial); err != nil {
		return err
	}
	target := s.path(digest)
	if err := settle(partial, target); err != nil {
		return err
	}
	s.sweep(target)
	return nil
}

// settle puts a fetched database in its place. One that is there already was put
// there by a scan beside this one, which may be using it, or is broken.
func settle(partial, target string) error {
	err := os.Rename(partial, target)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if usable(target) {
		return nil
	}
	broken := partial + "-broken"
	if err := os.Rename(target, broken); err != nil {
		return err
	}
	return errors.Join(os.Rename(partial, target), os.RemoveAll(broken))
}

func usable(dir string) bool {
	_, err := openDatabase(dir)
	return err == nil
}

// unpack writes the two files of a database into dir. The layer is read to its end,
// which is where its digest is checked.
func unpack(layer v1.Layer, dir string) error {
	compressed, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer func() { _ = compressed.Close() }()
	plain, err := gzip.NewReader(compressed)
	if err != nil {
		return err
	}
	limits := map[string]int64{"trivy.db": maxDatabase, "metadata.json": maxMetadata}
	archive := tar.NewReader(plain)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		file := strings.TrimPrefix(header.Name, "./")
		limit, wanted := limits[file]
		if !wanted || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(filepath.Join(dir, file), archive, limit); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(plain, maxMetadata)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, compressed)
	return err
}

// stamp records when the database was fetched, where Trivy keeps it, too.
func stamp(dir string) error {
	client := metadata.NewClient(dir)
	data, err := client.Get()
	if err != nil {
		return err
	}
	data.DownloadedAt = time.Now().UTC()
	return client.Update(data)
}

// sweep removes the databases that current replaces and what killed runs left.
func (s store) sweep(current string) {
	old, _ := filepath.Glob(filepath.Join(s.root, s.key+"-*"))
	for _, dir := range old {
		if dir != current {
			_ = os.RemoveAll(dir)
		}
	}
	partial, _ := filepath.Glob(filepath.Join(s.root, ".partial-*"))
	for _, dir := range partial {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
}

// write writes a new file of at most limit bytes.
func write(path string, from io.Reader, limit int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	written, err := io.Copy(file, io.LimitReader(from, limit+1))
	if err == nil && written > limit {
		err = fmt.Errorf("%s is larger than %d bytes", filepath.Base(path), limit)
	}
	return errors.Join(err, file.Close())
}
