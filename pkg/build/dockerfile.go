package build

import (
	"context"
	"fmt"
	"maps"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/build/buildkit"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// buildDockerfile has BuildKit build and push by digest.
func buildDockerfile(ctx context.Context, o Options) (Result, error) {
	var r Result
	var digest string
	session := o.Images.Connect()
	if err := r.phase("build and push", func() (err error) {
		digest, err = o.buildkit(ctx, session).Push(ctx)
		return err
	}); err != nil {
		return r, err
	}
	r.Image = record.Image{Repository: o.Repository, Digest: digest}
	if err := r.phase("check", func() error { return r.examine(ctx, session, o) }); err != nil {
		return r, err
	}
	r.Retries = session.Retry.Count()
	return r, nil
}

// buildkit says what BuildKit is to build. Labels leave out what only the Dockerfile
// knows, and empty those by which its base image says what that is.
func (o Options) buildkit(ctx context.Context, s *registry.Client) buildkit.Build {
	b := o.dockerfile()
	base := b.Base()
	maps.Copy(b.Labels, base.Empty(o.saidBy(ctx, s, base.Image), b.Labels))
	return b
}

// saidBy are the labels by which a base image says what it is. Where it cannot be read,
// BuildKit will say so.
func (o Options) saidBy(ctx context.Context, s *registry.Client, reference string) map[string]string {
	ref, err := name.ParseReference(reference)
	if reference == "" || err != nil {
		return nil
	}
	labels, err := labelsOf(ctx, s, ref, o.platforms()[0])
	if err != nil {
		o.Log.Warn("the labels of the base image are not known, those that the Dockerfile does not replace stay", "base", reference, "cause", registry.Shown(err))
	}
	maps.DeleteFunc(labels, func(name, _ string) bool { return !ofAnImage(name) })
	return labels
}

func labelsOf(ctx context.Context, s *registry.Client, ref name.Reference, platform string) (map[string]string, error) {
	want, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, err
	}
	descriptor, err := s.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	image, err := s.ImageFor(ctx, ref.Context(), descriptor, want)
	if err != nil {
		return nil, err
	}
	config, err := registry.ConfigOf(image)
	if err != nil {
		return nil, err
	}
	return maps.Clone(config.Config.Labels), nil
}

func (o Options) dockerfile() buildkit.Build {
	return buildkit.Build{
		Dockerfile: o.Dockerfile, Source: o.Source, BaseImage: o.BaseImage, Repository: o.Repository, Platforms: o.platforms(), Created: o.Created,
		Labels: imageLabels("", "", o), CacheRepository: o.CacheRepository, NoCache: o.NoCache, Environ: o.Environ, Environment: o.Environment,
		Images: o.Images, Log: o.Log,
	}
}

// examine checks that the registry has the image, for each platform, and lists it.
func (r *Result) examine(ctx context.Context, s *registry.Client, o Options) error {
	ref, err := name.NewDigest(r.Image.String())
	if err != nil {
		return record.BadInput("build/options", "parsing repository %q: %w", o.Repository, err)
	}
	descriptor, err := s.Get(ctx, ref)
	if err != nil {
		return registry.Wrap(err, "looking for what the builder pushed, %q", r.Image)
	}
	for _, platform := range o.platforms() {
		want, err := v1.ParsePlatform(platform)
		if err != nil {
			return record.BadInput("build/options", "parsing platform %q: %w", platform, err)
		}
		image, err := s.ImageFor(ctx, ref.Context(), descriptor, want)
		if err != nil {
			return registry.Wrap(err, "reading %q for %s", r.Image, platform)
		}
		if _, err := checkBase(image, want); err != nil {
			return fmt.Errorf("checking what the builder pushed, %q: %w", r.Image, err)
		}
		if err := r.list(image, platform); err != nil {
			return registry.Wrap(err, "reading %q for %s", r.Image, platform)
		}
		if o.Inspect == nil {
			continue
		}
		if err := o.Inspect(ctx, r.Platforms[len(r.Platforms)-1].Image, image); err != nil {
			return err
		}
	}
	return nil
}

func (r *Result) list(image v1.Image, platform string) error {
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	r.Platforms = append(r.Platforms, Platform{Name: platform, Image: record.Image{Repository: r.Image.Repository, Digest: digest.String()}})
	for _, d := range manifest.Layers {
		r.Layers = append(r.Layers, Layer{Platform: platform, Name: LayerDockerfile, Digest: d.Digest.String(), Size: d.Size})
	}
	return nil
}
