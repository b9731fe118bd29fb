package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// newBytes counts the layers of an image that another one has not, its configuration
// and its manifest.
func newBytes(ctx context.Context, image, before string) (int64, error) {
	ours, size, err := manifest(ctx, image)
	if err != nil {
		return 0, err
	}
	theirs, _, err := manifest(ctx, before)
	if err != nil {
		return 0, err
	}
	had := map[v1.Hash]bool{}
	for _, l := range theirs.Layers {
		had[l.Digest] = true
	}
	size += ours.Config.Size
	for _, l := range ours.Layers {
		if !had[l.Digest] {
			size += l.Size
		}
	}
	return size, nil
}

// manifest gives that of an image, and its length.
func manifest(ctx context.Context, reference string) (*v1.Manifest, int64, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, 0, err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, 0, fmt.Errorf("reading %q: %w", reference, err)
	}
	m, err := image.Manifest()
	if err != nil {
		return nil, 0, fmt.Errorf("reading %q: %w", reference, err)
	}
	size, err := image.Size()
	return m, size, err
}
