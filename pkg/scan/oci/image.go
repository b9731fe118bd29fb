// Package oci opens the image that is to be scanned, at hand or in a registry, and proves
// that it is what its digest says: before it is read, and while its layers are.
package oci

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// maxPlatforms is how many images an index may have.
const maxPlatforms = 32

// errAltered is returned for an image that is not what its digest says.
var errAltered = errors.New("it is not what its digest says")

// Open gives the image, or all images of a multi-platform index: those of local,
// when given, else what the registry has.
func Open(image record.Image, local Local, options ...remote.Option) ([]*Image, error) {
	ref, err := name.NewDigest(image.String())
	if err != nil {
		return nil, record.BadInput("scan/bad-options", "parsing image %q: %w", image, err)
	}
	switch local := local.(type) {
	case nil:
		return pulled(ref, options)
	case v1.Image:
		return single(local, ref)
	case v1.ImageIndex:
		return platforms(local, ref)
	default:
		return nil, record.BadInput("scan/bad-options", "the local image is a %T, neither an image nor an index", local)
	}
}

func pulled(ref name.Digest, options []remote.Option) ([]*Image, error) {
	descriptor, err := remote.Get(ref, options...)
	if err != nil {
		return nil, unreadable(ref, err)
	}
	if descriptor.MediaType.IsIndex() {
		index, err := descriptor.ImageIndex()
		if err != nil {
			return nil, unreadable(ref, err)
		}
		return platforms(index, ref)
	}
	image, err := descriptor.Image()
	if err != nil {
		return nil, unreadable(ref, err)
	}
	return single(image, ref)
}

func single(image v1.Image, ref name.Digest) ([]*Image, error) {
	watched, err := watch(image, ref)
	if err != nil {
		return nil, err
	}
	return []*Image{watched}, nil
}

func platforms(index v1.ImageIndex, ref name.Digest) ([]*Image, error) {
	raw, err := provenManifest(index, ref)
	if err != nil {
		return nil, err
	}
	manifest, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, Unusable(ref.String(), err)
	}
	var images []*Image
	for _, entry := range manifest.Manifests {
		if registry.NoImage(entry) {
			continue
		}
		if !entry.MediaType.IsImage() || len(images) == maxPlatforms {
			return nil, Unusable(ref.String(), fmt.Errorf("its index holds something of type %q, or more than %d images", entry.MediaType, maxPlatforms))
		}
		child := ref.Context().Digest(entry.Digest.String())
		image, err := index.Image(entry.Digest)
		if err != nil {
			return nil, gone(child, err)
		}
		if entry.Platform == nil || entry.Platform.OS == "" {
			if runs, err := registry.Runs(image); err == nil && !runs {
				continue
			}
		}
		watched, err := watch(image, child)
		if err != nil {
			return nil, err
		}
		if entry.Platform != nil {
			watched.Platform = entry.Platform.String()
		}
		images = append(images, watched)
	}
	if len(images) == 0 {
		return nil, Unusable(ref.String(), errors.New("its index has no images"))
	}
	return images, nil
}

// provenManifest is what the digest names: the manifest of an image, or of an index.
func provenManifest(of interface{ RawManifest() ([]byte, error) }, ref name.Digest) ([]byte, error) {
	raw, err := of.RawManifest()
	if err == nil {
		err = proven(raw, ref.DigestStr())
	}
	if err != nil {
		return nil, unreadable(ref, err)
	}
	return raw, nil
}

// proven compares bytes with their digest.
func proven(content []byte, digest string) error {
	if got, _, err := v1.SHA256(bytes.NewReader(content)); err != nil || got.String() != digest {
		return errors.Join(err, fmt.Errorf("%w: it has the digest %s", errAltered, got))
	}
	return nil
}
