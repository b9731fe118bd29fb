package oci

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"github.com/stagecrew/stagecrew/pkg/scan/bomb"
)

// Image notices what Trivy does not tell: an error after a layer's last
// file, which is where a layer that is not what its digest says shows.
type Image struct {
	v1.Image
	name     string
	Platform string // "linux/amd64"
	Config   *v1.ConfigFile
	left     atomic.Int64

	problem atomic.Pointer[error]
}

// maxConfig bounds the configuration of an image, in bytes.
const maxConfig = 8 << 20

// watch checks the manifest and the configuration of an image. Its layers are checked
// while they are read.
func watch(image v1.Image, ref name.Digest) (*Image, error) {
	raw, err := provenManifest(image, ref)
	if err != nil {
		return nil, err
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, Unusable(ref.String(), err)
	}
	if manifest.Config.Size > maxConfig {
		return nil, Unusable(ref.String(), fmt.Errorf("its configuration has %d bytes, the limit is %d", manifest.Config.Size, maxConfig))
	}
	if raw, err = image.RawConfigFile(); err != nil {
		return nil, unreadable(ref, err)
	}
	if err := proven(raw, manifest.Config.Digest.String()); err != nil {
		return nil, unreadable(ref, fmt.Errorf("its configuration: %w", err))
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(raw))
	if err != nil {
		return nil, Unusable(ref.String(), err)
	}
	if layers, known := len(manifest.Layers), len(config.RootFS.DiffIDs); layers != known {
		return nil, Unusable(ref.String(), fmt.Errorf("it has %d layers, but its configuration knows %d", layers, known))
	}
	w := &Image{Image: image, name: ref.String(), Config: config}
	if p := config.Platform(); p != nil {
		w.Platform = p.String()
	}
	w.left.Store(maxImage)
	return w, nil
}

// ConfigFile gives the configuration that was checked.
func (w *Image) ConfigFile() (*v1.ConfigFile, error) { return w.Config, nil }

// Name gives the image's reference by digest.
func (w *Image) Name() string { return w.name }

// ID gives the digest of the image's configuration.
func (w *Image) ID() (string, error) {
	hash, err := w.ConfigName()
	return hash.String(), err
}

// RepoTags gives nothing: the pipeline knows no tags.
func (w *Image) RepoTags() []string { return nil }

// RepoDigests gives the image's reference by digest.
func (w *Image) RepoDigests() []string { return []string{w.name} }

// LayerByDiffID gives a layer that is watched, too.
func (w *Image) LayerByDiffID(hash v1.Hash) (v1.Layer, error) {
	layer, err := w.Image.LayerByDiffID(hash)
	if err != nil {
		w.fail(err)
		return nil, err
	}
	return &watchedLayer{Layer: layer, diffID: hash, image: w}, nil
}

// Trouble is the first problem of reading the image, nil when there was none.
func (w *Image) Trouble() error {
	if problem := w.problem.Load(); problem != nil {
		return *problem
	}
	return nil
}

// fail keeps the first problem.
func (w *Image) fail(err error) { w.problem.CompareAndSwap(nil, &err) }

type watchedLayer struct {
	v1.Layer
	diffID v1.Hash
	image  *Image
}

// Uncompressed gives a reader that reads the layer to its end when closed, and compares
// it with its diff ID: what is found in a layer is kept under that name.
func (l *watchedLayer) Uncompressed() (io.ReadCloser, error) {
	reader, err := unpacked(l.Layer)
	if err != nil {
		l.image.fail(err)
		return nil, err
	}
	return &watchedReader{ReadCloser: reader, layer: l, sum: sha256.New(), gate: bomb.NewGate()}, nil
}

// unpacked reads a layer with a decompressor twice as fast as the one of
// go-containerregistry, where that is most of the time of a scan.
func unpacked(layer v1.Layer) (io.ReadCloser, error) {
	packed, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(packed, 1<<16)
	if magic, err := buffered.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		_ = packed.Close()
		return layer.Uncompressed()
	}
	plain, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, errors.Join(err, packed.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, packed}, nil
}

type watchedReader struct {
	io.ReadCloser
	layer *watchedLayer
	sum   hash.Hash
	gate  *bomb.Gate
}

// Read fails when the whole image is larger than allowed.
func (r *watchedReader) Read(p []byte) (int, error) {
	image := r.layer.image
	n, err := r.ReadCloser.Read(p)
	_, _ = r.sum.Write(p[:n])
	if image.left.Add(-int64(n)) < 0 {
		err = fmt.Errorf("it has more than %d bytes unpacked", int64(maxImage))
	}
	if refused := r.gate.Pass(p[:n]); refused != nil {
		image.fail(refused)
		return 0, refused // nothing of it reaches Trivy
	}
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(r.sum.Sum(nil)); got != r.layer.diffID.Hex {
			err = fmt.Errorf("%w: layer %s has sha256:%s unpacked", errAltered, r.layer.diffID, got)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		image.fail(err)
	}
	return n, err
}

// Close reads what is left, so that the digest is checked.
func (r *watchedReader) Close() error {
	if r.layer.image.problem.Load() == nil {
		_, _ = io.Copy(io.Discard, r)
	}
	return r.ReadCloser.Close()
}
