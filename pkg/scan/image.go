//go:build goexperiment.jsonv2

package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const (
	// maxImage is how many unpacked bytes an image may have.
	maxImage = 32 << 30
	// maxPlatforms is how many images an index may have.
	maxPlatforms = 32
)

// images gives the image, or all images of a multi-platform index.
func (s session) images(ctx context.Context) ([]*watchedImage, error) {
	ref, err := name.NewDigest(s.options.Image.String())
	if err != nil {
		return nil, pipeline.BadInput("scan/bad-options", "parsing image %q: %w", s.options.Image, err)
	}
	descriptor, err := remote.Get(ref, s.remote(ctx)...)
	if err != nil {
		return nil, unreachable(ref.String(), err)
	}
	if !descriptor.MediaType.IsIndex() {
		image, err := descriptor.Image()
		if err != nil {
			return nil, unreachable(ref.String(), err)
		}
		return []*watchedImage{watch(image, ref.String(), "")}, nil
	}
	index, err := descriptor.ImageIndex()
	if err != nil {
		return nil, unreachable(ref.String(), err)
	}
	return platforms(index, ref)
}

func platforms(index v1.ImageIndex, ref name.Digest) ([]*watchedImage, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, unreachable(ref.String(), err)
	}
	var images []*watchedImage
	for _, entry := range manifest.Manifests {
		// BuildKit puts attestations beside the images for a platform that nothing runs.
		if p := entry.Platform; p != nil && p.OS == "unknown" && p.Architecture == "unknown" {
			continue
		}
		if !entry.MediaType.IsImage() || len(images) == maxPlatforms {
			return nil, unusable(ref.String(), fmt.Errorf("its index holds something of type %q, or more than %d images", entry.MediaType, maxPlatforms))
		}
		image, err := index.Image(entry.Digest)
		if err != nil {
			return nil, unreachable(ref.String(), err)
		}
		platform := entry.Digest.String()
		if entry.Platform != nil {
			platform = entry.Platform.String()
		}
		images = append(images, watch(image, ref.Context().Digest(entry.Digest.String()).String(), platform))
	}
	if len(images) == 0 {
		return nil, unusable(ref.String(), errors.New("its index has no images"))
	}
	return images, nil
}

func unreachable(image string, err error) error {
	return pipeline.Unavailable("scan/image-unreachable", "pulling image %q: %w", image, foreign(err))
}

func unusable(image string, err error) error {
	return pipeline.Unavailable("scan/image-unusable", "reading image %q: %w", image, foreign(err))
}

// watchedImage notices what Trivy does not tell: an error after a layer's last
// file, which is where a layer that is not what its digest says shows.
type watchedImage struct {
	v1.Image
	name     string
	platform string // "" for a single image
	left     atomic.Int64
	problem  atomic.Pointer[error]
}

func watch(image v1.Image, name, platform string) *watchedImage {
	w := &watchedImage{Image: image, name: name, platform: platform}
	w.left.Store(maxImage)
	return w
}

// Name gives the image's reference by digest.
func (w *watchedImage) Name() string { return w.name }

// ID gives the digest of the image's configuration.
func (w *watchedImage) ID() (string, error) {
	hash, err := w.ConfigName()
	return hash.String(), err
}

// RepoTags gives nothing: the pipeline knows no tags.
func (w *watchedImage) RepoTags() []string { return nil }

// RepoDigests gives the image's reference by digest.
func (w *watchedImage) RepoDigests() []string { return []string{w.name} }

// LayerByDiffID gives a layer that is watched, too.
func (w *watchedImage) LayerByDiffID(hash v1.Hash) (v1.Layer, error) {
	layer, err := w.Image.LayerByDiffID(hash)
	if err != nil {
		w.fail(err)
		return nil, err
	}
	return &watchedLayer{Layer: layer, image: w}, nil
}

// fail keeps the first problem.
func (w *watchedImage) fail(err error) { w.problem.CompareAndSwap(nil, &err) }

type watchedLayer struct {
	v1.Layer
	image *watchedImage
}

// Uncompressed gives a reader that reads the layer to its end when closed.
func (l *watchedLayer) Uncompressed() (io.ReadCloser, error) {
	reader, err := l.Layer.Uncompressed()
	if err != nil {
		l.image.fail(err)
		return nil, err
	}
	return &watchedReader{ReadCloser: reader, image: l.image}, nil
}

type watchedReader struct {
	io.ReadCloser
	image *watchedImage
}

// Read fails when the whole image is larger than allowed.
func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.image.left.Add(-int64(n)) < 0 {
		err = fmt.Errorf("it has more than %d bytes unpacked", int64(maxImage))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.image.fail(err)
	}
	return n, err
}

// Close reads what is left, so that the digest is checked.
func (r *watchedReader) Close() error {
	if r.image.problem.Load() == nil {
		_, _ = io.Copy(io.Discard, r)
	}
	return r.ReadCloser.Close()
}
