package build

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// maxConfigSize bounds the configuration of a base image, in bytes.
const maxConfigSize = 8 << 20

// session is one talk with the registries of a build. Credentials are those
// of `docker login`.
type session struct {
	options []remote.Option
	uploads *uploads
}

func newSession(ctx context.Context) *session {
	sent := &uploads{next: remote.DefaultTransport, sent: map[string]bool{}}
	return &session{uploads: sent, options: []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(sent),
		remote.WithUserAgent("stagecrew"),
	}}
}

// baseImage is the image to build upon, for one platform.
type baseImage struct {
	name         string // as the user wrote it
	ref          pipeline.Image
	image        v1.Image
	manifestType types.MediaType
	layerType    types.MediaType // of the layers to add, in the base's dialect
}

// base resolves the base image to its digest and to the platform's manifest.
func (s *session) base(reference, platform string) (*baseImage, error) {
	ref, err := parseReference(reference)
	if err != nil {
		return nil, pipeline.BadInput("build/options", "parsing base image %q: %w", reference, err)
	}
	want, err := platformOf(platform)
	if err != nil {
		return nil, pipeline.BadInput("build/options", "parsing platform %q: %w", platform, err)
	}
	descriptor, err := remote.Get(ref, append(s.options, remote.WithPlatform(*want))...)
	if err != nil {
		return nil, registryError(err, "getting base image %q", reference)
	}
	image, err := descriptor.Image()
	if err != nil {
		if descriptor.MediaType.IsIndex() && !fromNetwork(err) {
			return nil, pipeline.BadInput("build/base-platform", "choosing %s from base image %q: %w", platform, reference, bounded{err})
		}
		return nil, registryError(err, "getting base image %q", reference)
	}
	if err := checkBase(image, want); err != nil {
		return nil, fmt.Errorf("checking base image %q: %w", reference, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, registryError(err, "getting base image %q", reference)
	}
	mediaType, err := image.MediaType()
	if err != nil {
		return nil, registryError(err, "getting base image %q", reference)
	}
	base := &baseImage{name: reference, image: image, manifestType: mediaType, layerType: types.OCILayer,
		ref: pipeline.Image{Repository: ref.Context().Name(), Digest: digest.String()}}
	if mediaType == types.DockerManifestSchema2 {
		base.layerType = types.DockerLayer
	}
	return base, nil
}

// checkBase refuses an image for another platform, which the registry does not
// look at when the reference leads to a single image.
func checkBase(image v1.Image, want *v1.Platform) error {
	manifest, err := image.Manifest()
	if err != nil {
		return registryError(err, "reading its manifest")
	}
	if manifest.Config.Size > maxConfigSize {
		return pipeline.BadInput("build/base-platform", "its configuration has %d bytes, the limit is %d", manifest.Config.Size, maxConfigSize)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return registryError(err, "reading its configuration")
	}
	if config.OS != want.OS || config.Architecture != want.Architecture {
		return pipeline.BadInput("build/base-platform", "it is for %q, the build is for %q", config.OS+"/"+config.Architecture, want.String())
	}
	return nil
}

// push writes the image by digest. Blobs that the registry has are not sent again.
func (s *session) push(repository string, image v1.Image) (pipeline.Image, error) {
	digest, err := image.Digest()
	if err != nil {
		return pipeline.Image{}, fmt.Errorf("computing the digest: %w", err)
	}
	pushed := pipeline.Image{Repository: repository, Digest: digest.String()}
	ref, err := name.NewDigest(pushed.String())
	if err != nil {
		return pipeline.Image{}, pipeline.BadInput("build/options", "parsing repository %q: %w", repository, err)
	}
	if err := remote.Write(ref, image, s.options...); err != nil {
		return pipeline.Image{}, registryError(err, "pushing to %q", repository)
	}
	return pushed, nil
}

// Resolve asks the registry which digest a reference has now. A reference by
// digest is checked to be there. Of a multi-platform image it is the index.
func Resolve(ctx context.Context, reference string) (pipeline.Image, error) {
	ref, err := parseReference(reference)
	if err != nil {
		return pipeline.Image{}, pipeline.BadInput("build/options", "parsing image %q: %w", reference, err)
	}
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	descriptor, err := remote.Get(ref, newSession(ctx).options...)
	if err != nil {
		return pipeline.Image{}, registryError(err, "resolving %q", reference)
	}
	return pipeline.Image{Repository: ref.Context().Name(), Digest: descriptor.Digest.String()}, nil
}

// Tag lets a tag of the image's repository point to the image: the bytes of the
// manifest are put again under that name, so the digest stays the same.
func Tag(ctx context.Context, image pipeline.Image, tag string) error {
	if _, err := pipeline.ParseImage(image.String()); err != nil {
		return pipeline.BadInput("build/options", "tagging: %w", err)
	}
	target, err := name.NewTag(image.Repository+":"+tag, name.StrictValidation)
	if err != nil {
		return pipeline.BadInput("build/options", "parsing tag %q: %w", tag, err)
	}
	source, err := name.NewDigest(image.String())
	if err != nil {
		return pipeline.BadInput("build/options", "tagging: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	options := newSession(ctx).options
	descriptor, err := remote.Get(source, options...)
	if err != nil {
		return registryError(err, "getting %q to tag it %q", image, tag)
	}
	if err := remote.Tag(target, descriptor, options...); err != nil {
		return registryError(err, "tagging %q as %q", image, tag)
	}
	return nil
}

// fromNetwork tells a registry's error from one about what it holds.
func fromNetwork(err error) bool {
	var answer *transport.Error
	var request *url.Error
	return errors.As(err, &answer) || errors.As(err, &request)
}

// registryError sorts what a registry answered. The answer is foreign text.
func registryError(err error, format string, args ...any) error {
	doing := fmt.Sprintf(format, args...)
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return pipeline.Unavailable("build/registry-unavailable",
			"%s: %w; check the address and that the registry is reachable from here", doing, bounded{err})
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		host := "HOST"
		if answer.Request != nil {
			host = answer.Request.URL.Host
		}
		return pipeline.Unavailable("build/registry-denied",
			"%s: %w; log in first (`docker login %s`) with an account that may do it", doing, bounded{err}, host)
	case http.StatusNotFound:
		return pipeline.BadInput("build/image-not-found",
			"%s: %w; check the spelling, some registries also hide what the account may not see", doing, bounded{err})
	}
	return pipeline.Unavailable("build/registry-unavailable", "%s: %w", doing, bounded{err})
}
