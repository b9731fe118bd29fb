package build

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// described is an image or an index.
type described interface {
	RawManifest() ([]byte, error)
	MediaType() (types.MediaType, error)
}

// imageBlobs are the layers and the configuration of an image. The layers may be
// mounted from the given repositories.
func imageBlobs(image v1.Image, from ...name.Repository) ([]blob, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	blobs := []blob{bytesBlob(manifest.Config, config)}
	seen := map[v1.Hash]bool{}
	for _, d := range manifest.Layers {
		if seen[d.Digest] || !d.MediaType.IsDistributable() {
			continue
		}
		seen[d.Digest] = true
		layer, err := image.LayerByDigest(d.Digest)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, layerBlob(d, layer, from))
	}
	return blobs, nil
}

func bytesBlob(d v1.Descriptor, content []byte) blob {
	return blob{digest: d.Digest.String(), size: d.Size, open: func(offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[offset:])), nil
	}}
}

func layerBlob(d v1.Descriptor, layer v1.Layer, from []name.Repository) blob {
	return blob{digest: d.Digest.String(), size: d.Size, from: from, open: func(offset int64) (io.ReadCloser, error) {
		body, err := layer.Compressed()
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, body, offset); err != nil {
			_ = body.Close()
			return nil, err
		}
		return body, nil
	}}
}

// image brings an image into the repository, its blobs before its manifest, and
// tells how each blob got there. It is written under the reference, which is its
// digest unless it is for a tag.
func (p *pusher) image(ctx context.Context, image described, blobs []blob, reference string) (map[string]transfer, error) {
	raw, err := image.RawManifest()
	if err != nil {
		return nil, err
	}
	mediaType, err := image.MediaType()
	if err != nil {
		return nil, err
	}
	all := map[string]transfer{}
	for attempt := 1; ; attempt++ {
		sent, err := p.blobs(ctx, blobs)
		for digest, t := range sent {
			t.uploaded = t.uploaded || all[digest].uploaded
			t.mounted = t.mounted || all[digest].mounted
			all[digest] = t
		}
		if err == nil && !p.hasManifest(ctx, reference) {
			err = p.manifest(ctx, reference, mediaType, raw)
		}
		// A registry that has lost, or not yet found, what it said to have.
		if err == nil || !blobUnknown(err) || attempt >= p.session.retry.policy.Attempts {
			return all, err
		}
		if p.session.retry.wait(ctx, "writing manifest "+reference, attempt, err) != nil {
			return all, err
		}
		for i := range blobs {
			blobs[i].again = attempt > 1
		}
	}
}

// hasManifest reports whether a manifest is there already; one that is wanted under a
// tag is written in any case.
func (p *pusher) hasManifest(ctx context.Context, reference string) bool {
	if !strings.HasPrefix(reference, "sha256:") {
		return false
	}
	_, err := p.session.head(ctx, p.repo.Digest(reference))
	return err == nil
}

// blobs uploads what the repository lacks, several at a time.
func (p *pusher) blobs(ctx context.Context, blobs []blob) (map[string]transfer, error) {
	sent := make([]transfer, len(blobs))
	tasks := make([]func(context.Context) error, len(blobs))
	for i, b := range blobs {
		tasks[i] = func(ctx context.Context) (err error) {
			sent[i], err = p.blob(ctx, b)
			return err
		}
	}
	err := parallel(ctx, parallelTransfers, tasks...)
	result := map[string]transfer{}
	for i, b := range blobs {
		result[b.digest] = sent[i]
	}
	return result, err
}
