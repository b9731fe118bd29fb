package build

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Tag is [Images.Tag] with the usual credentials.
func Tag(ctx context.Context, image record.Image, tag string) error {
	return Images{}.Tag(ctx, image, tag)
}

// Tag lets a tag of the image's repository point to the image, whatever it pointed
// to before: the bytes of the manifest are put again under that name, so the digest
// stays the same. [Images.MoveTags] has the rules for releases.
func (i Images) Tag(ctx context.Context, image record.Image, tag string) error {
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	return i.session().tag(ctx, image, tag)
}

func (s *session) tag(ctx context.Context, image record.Image, tag string) error {
	if _, err := record.ParseImage(image.String()); err != nil {
		return record.BadInput("build/options", "tagging: %w", err)
	}
	target, err := name.NewTag(image.Repository+":"+tag, name.StrictValidation)
	if err != nil {
		return record.BadInput("build/options", "parsing tag %q: %w", tag, err)
	}
	source, err := name.NewDigest(image.String())
	if err != nil {
		return record.BadInput("build/options", "tagging: %w", err)
	}
	descriptor, err := s.get(ctx, source)
	if err != nil {
		return registryError(err, "getting %q to tag it %q", image, tag)
	}
	to, err := s.pushTo(ctx, target.Context())
	if err == nil {
		err = to.manifest(ctx, target.TagStr(), descriptor.MediaType, descriptor.Manifest)
	}
	if err != nil {
		return registryError(err, "tagging %q as %q", image, tag)
	}
	return nil
}
