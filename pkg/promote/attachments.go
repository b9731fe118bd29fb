package promote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

const (
	// maxAttachedBytes is what all that is attached to one image may have together.
	maxAttachedBytes = 1 << 30
	// attachedTimeout bounds the copying of it.
	attachedTimeout = 5 * time.Minute
	// maxAttached is how much of it is looked at.
	maxAttached = maxIndexed
)

// attached are the ends of the tags under which cosign keeps what belongs to an
// image with the digest sha256:X, as sha256-X.sig.
var attached = []string{".sig", ".att", ".sbom"}

// attaching copies what is beside images, whoever put it there.
type attaching struct {
	*copying
	count int
	bytes int64
}

// attachments copies signatures, attestations and whatever else names the images as
// its subject: manifests with their blobs. They were not verified, so that they are
// copied as far as they are few and small, and what is attached to them is not. What is
// left is said.
func (c *copying) attachments(ctx context.Context, _ string, digests []string) error {
	limited, cancel := context.WithTimeout(ctx, attachedTimeout)
	defer cancel()
	a := &attaching{copying: c}
	for _, digest := range digests {
		err := a.beside(limited, digest)
		if ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
			c.session.Log.Warn("not copied: what is beside the image takes longer than it may", "image", digest, "limit", attachedTimeout)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *attaching) beside(ctx context.Context, digest string) error {
	for _, end := range attached {
		tag := strings.Replace(digest, ":", "-", 1) + end
		descriptor, err := a.session.Get(ctx, a.from.Tag(tag))
		if registry.IsNotFound(err) {
			continue
		}
		if err == nil {
			err = a.copy(ctx, digest, descriptor, tag)
		}
		if err != nil {
			return err
		}
	}
	index, err := remote.Referrers(a.from.Digest(digest), a.session.Options(ctx)...)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, m := range manifest.Manifests {
		if a.seen[m.Digest.String()] {
			continue
		}
		if reason := a.full(); reason != "" {
			a.session.Log.Warn("not copied, nor what follows: "+reason, "image", digest, "attached", m.Digest)
			return nil
		}
		if err := a.referrer(ctx, digest, m); err != nil {
			return err
		}
	}
	return nil
}

// full says why no more is copied; it is empty while there is room.
func (a *attaching) full() string {
	if a.count >= maxAttached {
		return fmt.Sprintf("there are more than %d", maxAttached)
	}
	return ""
}

func (a *attaching) referrer(ctx context.Context, image string, listed v1.Descriptor) error {
	a.count++
	if listed.MediaType.IsIndex() {
		a.left(image, listed.Digest, "it is an index, which leads to more")
		return nil
	}
	descriptor, err := a.session.Get(ctx, a.from.Digest(listed.Digest.String()))
	if registry.IsNotFound(err) {
		a.left(image, listed.Digest, "the registry lists it, but does not have it any more")
		return nil
	}
	if err != nil {
		return err
	}
	return a.copy(ctx, image, descriptor, "")
}

// copy writes one manifest that was read, under a tag or under its digest.
func (a *attaching) copy(ctx context.Context, image string, descriptor *remote.Descriptor, tag string) error {
	if descriptor.MediaType.IsIndex() {
		a.left(image, descriptor.Digest, "it is an index, which leads to more")
		return nil
	}
	blobs, err := a.blobs(ctx, descriptor)
	if err != nil {
		a.left(image, descriptor.Digest, "it is no manifest")
		return nil //nolint:nilerr // it is said
	}
	if !a.fits(blobs) {
		a.left(image, descriptor.Digest, fmt.Sprintf("what is beside images has more than %d bytes", maxAttachedBytes))
		return nil
	}
	if tag != "" {
		there, err := a.session.Get(ctx, a.to.Repo.Tag(tag))
		switch {
		case err == nil && there.Digest != descriptor.Digest:
			a.left(image, descriptor.Digest, "the copy has others under the tag "+tag+", which stay; sign the copy itself to add to them")
			return nil
		case err != nil && !registry.IsNotFound(err):
			return err
		}
		_, err = a.to.Image(ctx, rawImage{descriptor}, blobs, tag)
		return err
	}
	if !hasSubject(descriptor.Manifest) {
		a.left(image, descriptor.Digest, "it does not name the image as its subject")
		return nil
	}
	if _, err := a.to.Blobs(ctx, blobs); err != nil {
		return err
	}
	// What has a subject is also listed by it, which the library knows how to do in
	// registries that do not do it themselves.
	return a.session.Retry.Do(ctx, "writing manifest "+descriptor.Digest.String(), func() error {
		return remote.Put(a.to.Repo.Digest(descriptor.Digest.String()), descriptor, a.session.Options(ctx)...)
	})
}

// fits takes the size of blobs from what is left for all.
func (a *attaching) fits(blobs []push.Blob) bool {
	var size int64
	for _, b := range blobs {
		if b.Size < 0 || b.Size > maxAttachedBytes {
			return false
		}
		size += b.Size
	}
	if a.bytes+size > maxAttachedBytes {
		return false
	}
	a.bytes += size
	return true
}

func (a *attaching) left(image string, digest v1.Hash, why string) {
	a.session.Log.Warn("left beside the image, and not copied: "+why, "image", image, "attached", digest)
}

// hasSubject reports whether a manifest belongs to another one.
func hasSubject(raw []byte) bool {
	manifest, err := v1.ParseManifest(bytes.NewReader(raw))
	return err == nil && manifest.Subject != nil
}
