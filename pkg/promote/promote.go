// Package promote copies images to other repositories, with their digests unchanged and
// with what is attached to them.
package promote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

// timeout bounds one promotion.
const timeout = 30 * time.Minute

// maxIndexed bounds the manifests of one index, and what is attached to one image.
const maxIndexed = 200

// maxCopied bounds all manifests of one promotion.
const maxCopied = 1000

// Options of a promotion.
type Options struct {
	// Registry is how both registries are asked.
	Registry registry.Access
	// Beside copies to a repository what holds of what is beside the images with these
	// digests: the one that is promoted and those it consists of. Without it all is copied, whoever put it
	// there, as far as it is a manifest with blobs, and not too much.
	Beside func(ctx context.Context, repository string, digests []string) error
}

// Image copies an image to another repository, also of another registry, with
// its digest unchanged, and with its signatures and attestations. Layers that the
// target has, or can link, do not travel. It writes no tag of a release.
func Image(ctx context.Context, o Options, image record.Image, repository string) (record.Image, error) {
	repository, err := registry.RepositoryName(repository)
	if err != nil {
		return record.Image{}, err
	}
	from, err := name.NewDigest(image.String())
	if err != nil {
		return record.Image{}, record.BadInput("build/options", "promoting: %w", err)
	}
	to, err := name.NewRepository(repository)
	if err != nil {
		return record.Image{}, record.BadInput("build/options", "parsing repository %q: %w", repository, err)
	}
	promoted := record.Image{Repository: repository, Digest: image.Digest}
	if to.Name() == from.Context().Name() {
		return promoted, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s := o.Registry.Connect()
	target, err := push.New(s).To(ctx, to, from.Context())
	if err != nil {
		return record.Image{}, registry.Wrap(err, "logging in to push to %q", repository)
	}
	c := &copying{session: s, from: from.Context(), to: target, seen: map[string]bool{}}
	if err := c.manifest(ctx, from); err != nil {
		return record.Image{}, registry.Wrap(err, "copying %q to %q", image, repository)
	}
	beside := o.Beside
	if beside == nil {
		beside = c.attachments
	}
	if err := beside(ctx, repository, c.images); err != nil {
		return record.Image{}, registry.Wrap(err, "copying what belongs to %q to %q", image, repository)
	}
	// Not by HEAD, which some registries answer with 404 (nicholas-fedor/watchtower#669).
	there, err := s.Get(ctx, to.Digest(image.Digest))
	if err != nil {
		return record.Image{}, registry.Wrap(err, "looking for the copy %q", promoted)
	}
	if there.Digest.String() != image.Digest {
		return record.Image{}, record.Unavailable("build/digest-changed", "copying %q: the registry of %q has it as %s", image, repository, there.Digest)
	}
	s.Log.Info("image promoted", "image", promoted, "sent-bytes", target.Bytes.Load())
	return promoted, nil
}

// copying brings manifests from one repository to another.
type copying struct {
	session *registry.Client
	from    name.Repository
	to      *push.Repository
	seen    map[string]bool // digests of images that were copied, or are on their way
	images  []string        // the same, in order
}

// manifest copies a manifest with all it names. An index may name one twice.
func (c *copying) manifest(ctx context.Context, ref name.Digest) error {
	digest := ref.DigestStr()
	if c.seen[digest] {
		return nil
	}
	if len(c.seen) == maxCopied {
		return record.Refused("build/too-much-attached", "copying from %q: the image has more than %d manifests; remove what nobody needs", c.from, maxCopied)
	}
	c.seen[digest] = true
	descriptor, err := c.session.Get(ctx, ref)
	if err != nil {
		if len(c.seen) > 1 {
			err = registry.GoneFrom(c.from, digest, err)
		}
		return err
	}
	blobs, err := c.below(ctx, descriptor)
	if err != nil {
		return fmt.Errorf("%s: %w", digest, err)
	}
	if _, err := c.to.Image(ctx, rawImage{descriptor}, blobs, digest); err != nil {
		return err
	}
	c.images = append(c.images, digest)
	return nil
}

// below copies the manifests of an index, and gives the blobs of an image.
func (c *copying) below(ctx context.Context, descriptor *remote.Descriptor) ([]push.Blob, error) {
	if descriptor.MediaType.IsIndex() {
		index, err := v1.ParseIndexManifest(bytes.NewReader(descriptor.Manifest))
		if err != nil {
			return nil, err
		}
		if len(index.Manifests) > maxIndexed {
			return nil, fmt.Errorf("it has %d manifests, the limit is %d", len(index.Manifests), maxIndexed)
		}
		for _, m := range index.Manifests {
			if err := c.manifest(ctx, c.from.Digest(m.Digest.String())); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	return c.blobs(ctx, descriptor)
}

// blobs are those of an image.
func (c *copying) blobs(ctx context.Context, descriptor *remote.Descriptor) ([]push.Blob, error) {
	manifest, err := v1.ParseManifest(bytes.NewReader(descriptor.Manifest))
	if err != nil {
		return nil, err
	}
	seen, blobs := map[v1.Hash]bool{}, []push.Blob(nil)
	for _, d := range append([]v1.Descriptor{manifest.Config}, manifest.Layers...) {
		if seen[d.Digest] || !d.MediaType.IsDistributable() {
			continue
		}
		seen[d.Digest] = true
		blobs = append(blobs, push.Blob{Digest: d.Digest.String(), Size: d.Size, From: []name.Repository{c.from}, Open: func(offset int64) (io.ReadCloser, error) {
			return c.session.OpenBlob(ctx, c.from.Digest(d.Digest.String()), offset)
		}})
	}
	return blobs, nil
}

// rawImage is a manifest as its registry gave it.
type rawImage struct{ descriptor *remote.Descriptor }

func (r rawImage) RawManifest() ([]byte, error) { return r.descriptor.Manifest, nil }

func (r rawImage) MediaType() (types.MediaType, error) { return r.descriptor.MediaType, nil }
