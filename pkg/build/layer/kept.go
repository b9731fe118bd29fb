package layer

import (
	"context"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

// KeyAnnotation is at the descriptor of a layer of dependencies, at the manifest
// that keeps it, and as a label in the configuration of an image with it.
const KeyAnnotation = "dev.stagecrew.dependencies.key"

// Kept is a layer that an earlier build left in a registry, known without
// its bytes. It implements [v1.Layer].
type Kept struct {
	repo           name.Repository
	digest, diffID v1.Hash
	size           int64
	image          v1.Image
	listed         *migrations.List // nil where an earlier version kept it
	// fetch reads the compressed bytes, for whom needs them after all.
	fetch func() (io.ReadCloser, error)
}

// Find looks for the layer with a key: an image of that one layer, under a tag
// that names the key, which any registry can hold and none clears away while the
// tag is there. It gives nil when there is none. Its DiffID is known after
// [Kept.Describe].
func Find(ctx context.Context, s *registry.Client, repo name.Repository, key string) (*Kept, error) {
	descriptor, err := s.Get(ctx, repo.Tag(registry.CacheTag+key))
	if registry.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	image, err := descriptor.Image()
	if err != nil {
		return nil, err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	if manifest.Annotations[KeyAnnotation] != key || len(manifest.Layers) != 1 {
		return nil, fmt.Errorf("reading %s: it is not a layer with that key", repo.Tag(registry.CacheTag+key))
	}
	layer := manifest.Layers[0]
	return &Kept{repo: repo, digest: layer.Digest, size: layer.Size, image: image, fetch: func() (io.ReadCloser, error) {
		return s.OpenBlob(ctx, repo.Digest(layer.Digest.String()), 0)
	}}, nil
}

// Describe reads what the manifest does not say of the layer, its DiffID.
func (c *Kept) Describe() error {
	config, err := registry.ConfigOf(c.image)
	if err != nil {
		return err
	}
	if len(config.RootFS.DiffIDs) != 1 {
		return fmt.Errorf("reading the layer %s of %s: its configuration does not fit it", c.digest, c.repo)
	}
	c.diffID = config.RootFS.DiffIDs[0]
	if list, ok := migrations.ReadList(config.Config.Labels[migrations.ListLabel], []string{c.diffID.String()}); ok {
		c.listed = &list
	}
	return nil
}

// Keep leaves a layer under its key for the next build. The layer is in the
// repository that from names.
func Keep(ctx context.Context, s *push.Session, repo, from name.Repository, key string, layer *File) error {
	image := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	image, err := mutate.Append(image, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, Annotations: map[string]string{KeyAnnotation: key}})
	if err != nil {
		return err
	}
	// Not for any platform: it cannot be run.
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	label, err := migrations.List{Layers: []string{layer.diffID.String()}, Files: layer.migrations}.Label()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "unknown", "unknown"
	config.Config.Labels = map[string]string{migrations.ListLabel: label}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	image = mutate.Annotations(image, map[string]string{KeyAnnotation: key}).(v1.Image)
	to, err := s.To(ctx, repo, from)
	if err != nil {
		return err
	}
	blobs, err := push.ImageBlobs(image, from)
	if err != nil {
		return err
	}
	_, err = to.Image(ctx, image, blobs, registry.CacheTag+key)
	return err
}

// Migrations are the migration files in it, where whoever kept it has said them. They are
// known after [Kept.Describe].
func (c *Kept) Migrations() (migrations.Set, bool) {
	if c.listed == nil {
		return nil, false
	}
	return c.listed.Files, true
}

// Descriptor is what a manifest says about it.
func (c *Kept) Descriptor() v1.Descriptor {
	return v1.Descriptor{Digest: c.digest, Size: c.size}
}

// Digest implements [v1.Layer].
func (c *Kept) Digest() (v1.Hash, error) { return c.digest, nil }

// DiffID implements [v1.Layer].
func (c *Kept) DiffID() (v1.Hash, error) { return c.diffID, nil }

// Size implements [v1.Layer].
func (c *Kept) Size() (int64, error) { return c.size, nil }

// MediaType implements [v1.Layer].
func (c *Kept) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed implements [v1.Layer].
func (c *Kept) Compressed() (io.ReadCloser, error) { return c.fetch() }

// Uncompressed implements [v1.Layer].
func (c *Kept) Uncompressed() (io.ReadCloser, error) { return unzipped(c.Compressed()) }
