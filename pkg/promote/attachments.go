package promote

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/registry"
)

// attached are the ends of the tags under which cosign keeps what belongs to an
// image with the digest sha256:X, as sha256-X.sig.
var attached = []string{".sig", ".att", ".sbom"}

// attachments copies signatures, attestations and whatever else names the image as
// its subject.
func (c *copying) attachments(ctx context.Context, digest v1.Hash) error {
	for _, end := range attached {
		tag := strings.Replace(digest.String(), ":", "-", 1) + end
		_, err := c.session.Head(ctx, c.from.Tag(tag))
		if registry.IsNotFound(err) {
			continue
		}
		if err == nil {
			err = c.manifest(ctx, c.from.Tag(tag), tag)
		}
		if err != nil {
			return err
		}
	}
	index, err := remote.Referrers(c.from.Digest(digest.String()), c.session.Options(ctx)...)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	if len(manifest.Manifests) > maxIndexed {
		return fmt.Errorf("%d things are attached to it, the limit is %d", len(manifest.Manifests), maxIndexed)
	}
	for _, m := range manifest.Manifests {
		// Signatures and attestations are manifests with a blob. An index leads to more,
		// which nobody has verified.
		if c.seen[m.Digest.String()] || m.MediaType.IsIndex() {
			c.session.Log.Debug("not copied", "attached", m.Digest, "type", m.MediaType)
			continue
		}
		descriptor, err := c.session.Get(ctx, c.from.Digest(m.Digest.String()))
		if registry.IsNotFound(err) {
			c.session.Log.Warn("not copied: the registry lists it beside the image, but does not have it any more", "image", digest, "attached", m.Digest)
			continue
		}
		if err == nil {
			err = c.copy(ctx, descriptor, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hasSubject reports whether a manifest belongs to another one.
func hasSubject(raw []byte) bool {
	manifest, err := v1.ParseManifest(bytes.NewReader(raw))
	return err == nil && manifest.Subject != nil
}
