package build

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// baseImage is the image to build upon, for one platform.
type baseImage struct {
	name         string // as the user wrote it
	index        string // digest of what the name leads to
	ref          record.Image
	image        v1.Image
	platform     *v1.Platform
	manifestType types.MediaType
	layerType    types.MediaType // of the layers to add, in the base's dialect
	// What native modules are made for: the version of Node, or the digest of a
	// base that does not say it, and the C library.
	node, libc string
}

// findBase resolves the base image to its digest and to the platform's manifest.
func findBase(ctx context.Context, s *registry.Client, reference, platform string) (*baseImage, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, record.BadInput("build/options", "parsing base image %q: %w", reference, err)
	}
	want, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, record.BadInput("build/options", "parsing platform %q: %w", platform, err)
	}
	descriptor, err := s.Get(ctx, ref)
	if err != nil {
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	image, err := s.ImageFor(ctx, ref.Context(), descriptor, want)
	if err != nil {
		if descriptor.MediaType.IsIndex() && !registry.FromNetwork(err) {
			return nil, record.BadInput("build/base-platform", "choosing %s from base image %q: %w", platform, reference, registry.Shown(err))
		}
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	config, err := checkBase(image, want)
	if err != nil {
		return nil, fmt.Errorf("checking base image %q: %w", reference, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	mediaType, err := image.MediaType()
	if err != nil {
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	base := &baseImage{name: reference, index: descriptor.Digest.String(), image: image, platform: want, manifestType: mediaType, layerType: types.OCILayer,
		ref: record.Image{Repository: ref.Context().Name(), Digest: digest.String()}}
	if mediaType == types.DockerManifestSchema2 {
		base.layerType = types.DockerLayer
	}
	base.node, base.libc = nodeOf(config, digest.String()), libcOf(config, reference)
	return base, nil
}

// nodeOf reads the version as Node's official images tell it.
func nodeOf(config *v1.ConfigFile, digest string) string {
	for _, pair := range config.Config.Env {
		if version, ok := strings.CutPrefix(pair, "NODE_VERSION="); ok && version != "" {
			return version
		}
	}
	return digest
}

// libcOf tells Alpine, whose C library is another one, by how the image was made or,
// where a squashed one does not say it, by its name.
func libcOf(config *v1.ConfigFile, reference string) string {
	if strings.Contains(reference, "alpine") {
		return "musl"
	}
	for _, step := range config.History {
		if strings.Contains(step.CreatedBy, "alpine-minirootfs") || strings.Contains(step.CreatedBy, "apk add") {
			return "musl"
		}
	}
	return "glibc"
}

// checkBase refuses an image for another platform, which the registry does not
// look at when the reference leads to a single image.
func checkBase(image v1.Image, want *v1.Platform) (*v1.ConfigFile, error) {
	config, err := registry.Startable(image)
	if err != nil {
		return nil, err
	}
	if config.OS != want.OS || config.Architecture != want.Architecture {
		return nil, record.BadInput("build/base-platform", "it is for %q, the build is for %q", config.OS+"/"+config.Architecture, want.String())
	}
	return config, nil
}
