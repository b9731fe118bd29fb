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

// Image copies an image to another repository, also of another registry, with
// its digest unchanged, and with its signatures and attestations. Layers that the
// target has, or can link, do not travel. It writes no tag of a release.
func Image(ctx context.Context, images registry.Access, image record.Image, repository string) (record.Image, error) {
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
	s := images.Connect()
	target, err := push.New(s).To(ctx, to, from.Context())
	if err != nil {
		return record.Image{}, registry.Wrap(err, "logging in to push to %q", repository)
	}
	c := &copying{session: s, from: from.Context(), to: target, seen: map[string]bool{}}
	if err := c.manifest(ctx, from, ""); err != nil {
		return record.Image{}, registry.Wrap(err, "copying %q to %q", image, repository)
	}
	there, err := s.Head(ctx, to.Digest(image.Digest))
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
	seen    map[string]bool // digests and tags that were copied, or are on their way
}

// once reports whether a manifest is still to be copied. Whoever may push can attach
// indexes that name each other a thousand times.
func (c *copying) once(reference string) (bool, error) {
	if c.seen[reference] {
		return false, nil
	}
	if len(c.seen) == maxCopied {
		return false, record.Refused("build/too-much-attached", "copying from %q: the image has more than %d manifests with what is attached to it; remove what nobody needs", c.from, maxCopied)
	}
	c.seen[reference] = true
	return true, nil
}

// manifest copies a manifest with all it names, and what is attached to it. It is
// written under its digest, or under a tag.
func (c *copying) manifest(ctx context.Context, ref name.Reference, tag string) error {
	descriptor, err := c.session.Get(ctx, ref)
	if err != nil {
		return err
	}
	return c.copy(ctx, descriptor, tag)
}

// copy writes a manifest that was read.
func (c *copying) copy(ctx context.Context, descriptor *remote.Descriptor, tag string) error {
	known := descriptor.Digest.String()
	if tag != "" {
		known = tag
	}
	if first, err := c.once(known); !first {
		return err
	}
	blobs, err := c.below(ctx, descriptor)
	if err != nil {
		return fmt.Errorf("%s: %w", descriptor.Digest, err)
	}
	reference := descriptor.Digest.String()
	if tag != "" {
		reference = tag
	}
	// What has a subject is also listed by it, which the library knows how to do in
	// registries that do not do it themselves.
	if hasSubject(descriptor.Manifest) && tag == "" {
		if _, err := c.to.Blobs(ctx, blobs); err != nil {
			return err
		}
		return c.session.Retry.Do(ctx, "writing manifest "+reference, func() error {
			return remote.Put(c.to.Repo.Digest(reference), descriptor, c.session.Options(ctx)...)
		})
	}
	if _, err := c.to.Image(ctx, rawImage{descriptor}, blobs, reference); err != nil {
		return err
	}
	if tag != "" {
		return nil
	}
	return c.attachments(ctx, descriptor.Digest)
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
			if c.seen[m.Digest.String()] {
				continue
			}
			if err := c.manifest(ctx, c.from.Digest(m.Digest.String()), ""); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
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
