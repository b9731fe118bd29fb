package build

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

// assemble makes the image of each platform.
func (b *layering) assemble(context.Context) error {
	b.plan.warnDangling(b.Log, b.source.Packed, b.fresh())
	for _, t := range b.targets {
		layers := []namedLayer{
			{listing: t.layer(), name: LayerDependencies, key: t.key},
			{listing: b.app, name: LayerApplication},
			{listing: b.config, name: LayerConfiguration},
		}
		image, err := assemble(t.base, layers, b.plan, b.Options)
		if err != nil {
			return fmt.Errorf("assembling the image for %s: %w", t.platform, err)
		}
		digest, err := image.Digest()
		if err != nil {
			return fmt.Errorf("assembling the image for %s: %w", t.platform, err)
		}
		t.image = image
		b.result.Platforms = append(b.result.Platforms, Platform{
			Name: t.platform, Image: record.Image{Repository: b.Repository, Digest: digest.String()}, Base: t.base.ref,
		})
	}
	return nil
}

// fresh are the dependencies that were installed by us, or given as trees.
func (b *layering) fresh() (entries []tree.Entry) {
	for _, t := range b.targets {
		if t.tree != nil && t.tree.Root != b.source.Root {
			entries = append(entries, t.tree.Entries...)
		}
	}
	return entries
}

// push sends the images, and lets them be inspected meanwhile.
func (b *layering) push(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return record.Guard(func() error { return b.pushAll(ctx) }) })
	if b.Inspect != nil {
		for i, t := range b.targets {
			group.Go(func() error {
				return record.Guard(func() error { return b.Inspect(ctx, b.result.Platforms[i].Image, t.image) })
			})
		}
	}
	return group.Wait()
}

func (b *layering) pushAll(ctx context.Context) error {
	for i, t := range b.targets {
		blobs, err := push.ImageBlobs(t.image, b.baseRepo())
		if err != nil {
			return registry.Wrap(err, "reading base image %q", b.BaseImage)
		}
		if err := b.send(ctx, t.image, blobs, b.result.Platforms[i].Image.Digest); err != nil {
			return err
		}
	}
	b.result.Image, b.result.Base = b.result.Platforms[0].Image, b.targets[0].base.ref
	if len(b.targets) == 1 {
		return nil
	}
	bases, images := make([]*baseImage, len(b.targets)), make([]v1.Image, len(b.targets))
	for i, t := range b.targets {
		bases[i], images[i] = t.base, t.image
	}
	index := assembleIndex(bases, images, b.Options)
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("assembling the index: %w", err)
	}
	b.result.Image.Digest = digest.String()
	return b.send(ctx, index, nil, digest.String())
}

func (b *layering) send(ctx context.Context, image push.Described, blobs []push.Blob, digest string) error {
	sent, err := b.pusher.Image(ctx, image, blobs, digest)
	for d, t := range sent {
		// A layer can have travelled while it was packed.
		if before := b.sent[d]; !before.Uploaded && !before.Mounted {
			b.sent[d] = t
		}
	}
	if err != nil {
		return registry.Wrap(err, "pushing to %q", b.Repository)
	}
	return nil
}

// describe fills the result with what happened to each layer.
func (b *layering) describe() {
	for _, t := range b.targets {
		manifest, err := t.image.Manifest()
		if err != nil {
			continue // it was pushed: it has one
		}
		// By position, because a layer of ours may have the very bytes of a base layer.
		ours := []string{LayerDependencies, LayerApplication, LayerConfiguration}
		first := len(manifest.Layers) - len(ours)
		for i, d := range manifest.Layers {
			sent := b.sent[d.Digest.String()]
			l := Layer{Platform: t.platform, Name: LayerBase, Digest: d.Digest.String(), Size: d.Size, Uploaded: sent.Uploaded, Mounted: sent.Mounted}
			if i >= first {
				l.Name = ours[i-first]
			}
			if l.Name == LayerDependencies {
				l.Key, l.Reused = t.key, t.reused != nil
			}
			b.result.Layers = append(b.result.Layers, l)
		}
	}
	b.result.Retries = b.session.Retry.Count()
	b.result.Sent = b.pushing.SentBytes()
}
