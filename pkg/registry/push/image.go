package push

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Described is an image or an index.
type Described interface {
	RawManifest() ([]byte, error)
	MediaType() (types.MediaType, error)
}

// ImageBlobs are the layers and the configuration of an image. The layers may be
// mounted from the given repositories.
func ImageBlobs(image v1.Image, from ...name.Repository) ([]Blob, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	blobs := []Blob{bytesBlob(manifest.Config, config)}
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
		blobs = append(blobs, LayerBlob(d, layer, from))
	}
	return blobs, nil
}

func bytesBlob(d v1.Descriptor, content []byte) Blob {
	return Blob{Digest: d.Digest.String(), Size: d.Size, Open: func(offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content[offset:])), nil
	}}
}

// LayerBlob is a layer as it is stored; from are repositories of the same registry that
// may have it already.
func LayerBlob(d v1.Descriptor, layer v1.Layer, from []name.Repository) Blob {
	return Blob{Digest: d.Digest.String(), Size: d.Size, From: from, Open: func(offset int64) (io.ReadCloser, error) {
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

// Image brings an image into the repository, its blobs before its manifest, and
// tells how each blob got there. It is written under the reference, which is its
// digest unless it is for a tag.
func (p *Repository) Image(ctx context.Context, image Described, blobs []Blob, reference string) (map[string]Transfer, error) {
	raw, err := image.RawManifest()
	if err != nil {
		return nil, err
	}
	mediaType, err := image.MediaType()
	if err != nil {
		return nil, err
	}
	all := map[string]Transfer{}
	attempt := 0
	// A registry that has lost, or not yet found, what it said to have.
	err = p.session.Retry.DoIf(ctx, "writing manifest "+reference, blobUnknown, func() error {
		for i := range blobs {
			blobs[i].force = attempt > 1
		}
		attempt++
		there := p.lookFor(ctx, reference)
		sent, err := p.Blobs(ctx, blobs)
		for digest, t := range sent {
			t.Uploaded = t.Uploaded || all[digest].Uploaded
			t.Mounted = t.Mounted || all[digest].Mounted
			all[digest] = t
		}
		if err == nil && !<-there {
			err = p.Manifest(ctx, reference, mediaType, raw)
		}
		return err
	})
	return all, err
}

// lookFor asks for a manifest while the blobs are on their way.
func (p *Repository) lookFor(ctx context.Context, reference string) <-chan bool {
	there := make(chan bool, 1)
	go func() {
		found := false
		_ = record.Guard(func() error { found = p.hasManifest(ctx, reference); return nil }) // it is written then
		there <- found
	}()
	return there
}

// hasManifest reports whether a manifest is there already; one that is wanted under a
// tag is written in any case.
func (p *Repository) hasManifest(ctx context.Context, reference string) bool {
	if !strings.HasPrefix(reference, "sha256:") {
		return false
	}
	_, err := p.session.Head(ctx, p.Repo.Digest(reference))
	return err == nil
}

// Blobs uploads what the repository lacks, several at a time.
func (p *Repository) Blobs(ctx context.Context, blobs []Blob) (map[string]Transfer, error) {
	sent := make([]Transfer, len(blobs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelTransfers)
	for i, b := range blobs {
		group.Go(func() error {
			return record.Guard(func() (err error) {
				sent[i], err = p.Blob(ctx, b)
				return err
			})
		})
	}
	err := group.Wait()
	result := map[string]Transfer{}
	for i, b := range blobs {
		result[b.Digest] = sent[i]
	}
	return result, err
}
