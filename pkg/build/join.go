package build

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Join makes one image for several platforms out of images for one platform each
// that are in the same repository, as machines of each platform have built them.
// The order of the images does not matter. It writes no tag.
func (i Images) Join(ctx context.Context, images []pipeline.Image) (pipeline.Image, error) {
	if len(images) == 0 {
		return pipeline.Image{}, pipeline.BadInput("build/options", "joining images: there are none")
	}
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	s := i.session()
	repo, err := name.NewRepository(images[0].Repository)
	if err != nil {
		return pipeline.Image{}, pipeline.BadInput("build/options", "joining images: %w", err)
	}
	parts := map[string]mutate.IndexAddendum{}
	for _, image := range images {
		if image.Repository != images[0].Repository {
			return pipeline.Image{}, pipeline.BadInput("build/options", "joining images: %q is not in %q: promote it there first", image, images[0].Repository)
		}
		part, err := s.part(ctx, image)
		if err != nil {
			return pipeline.Image{}, registryError(err, "reading %q", image)
		}
		platform := part.Platform.String()
		if _, twice := parts[platform]; twice {
			return pipeline.Image{}, pipeline.BadInput("build/options", "joining images: there are two for %s", platform)
		}
		parts[platform] = part
	}
	index := joined(parts)
	digest, err := index.Digest()
	if err != nil {
		return pipeline.Image{}, fmt.Errorf("joining images: %w", err)
	}
	target, err := s.pushTo(ctx, repo)
	if err == nil {
		_, err = target.image(ctx, index, nil, digest.String())
	}
	if err != nil {
		return pipeline.Image{}, registryError(err, "pushing to %q", images[0].Repository)
	}
	return pipeline.Image{Repository: images[0].Repository, Digest: digest.String()}, nil
}

// part reads an image and its platform.
func (s *session) part(ctx context.Context, image pipeline.Image) (mutate.IndexAddendum, error) {
	var part mutate.IndexAddendum
	ref, err := name.NewDigest(image.String())
	if err != nil {
		return part, pipeline.BadInput("build/options", "joining images: %w", err)
	}
	descriptor, err := s.get(ctx, ref)
	if err != nil {
		return part, err
	}
	if descriptor.MediaType.IsIndex() {
		return part, pipeline.BadInput("build/options", "joining images: %q is for several platforms already", image)
	}
	one, err := descriptor.Image()
	if err != nil {
		return part, err
	}
	config, err := configOf(one)
	if err != nil {
		return part, err
	}
	part.Add, part.Platform = one, &v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	return part, nil
}

// joined is the index of the parts, with the annotations that all of them share.
func joined(parts map[string]mutate.IndexAddendum) v1.ImageIndex {
	mediaType, shared := types.OCIImageIndex, map[string]string(nil)
	var list []mutate.IndexAddendum
	for _, platform := range slices.Sorted(maps.Keys(parts)) {
		part := parts[platform]
		list = append(list, part)
		image, _ := part.Add.(v1.Image)
		manifest, err := image.Manifest()
		if err != nil || manifest.MediaType != types.OCIManifestSchema1 {
			mediaType, shared = types.DockerManifestList, map[string]string{}
			continue
		}
		if shared == nil {
			shared = maps.Clone(manifest.Annotations)
		}
		maps.DeleteFunc(shared, func(key, value string) bool {
			return manifest.Annotations[key] != value || !strings.HasPrefix(key, "org.opencontainers.")
		})
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, mediaType), list...)
	if mediaType == types.OCIImageIndex && len(shared) > 0 {
		index = mutate.Annotations(index, shared).(v1.ImageIndex)
	}
	return index
}
