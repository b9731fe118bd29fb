package images

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push copies an image to a registry (host:port) under each of its names, the host aside:
// docker.io/library/busybox:1.36 becomes host:port/library/busybox:1.36. Blobs that the registry has are not sent
// again. A nil rt means the default transport.
func Push(ctx context.Context, img Image, registry string, rt http.RoundTripper) error {
	one, err := only(img.Layout, "")
	if err != nil {
		return err
	}
	pusher, err := remote.NewPusher(remote.WithTransport(transport(rt)))
	if err != nil {
		return fmt.Errorf("preparing push to %q: %w", registry, err)
	}
	for _, full := range img.Names {
		ref, err := mirrorName(full, registry)
		if err != nil {
			return err
		}
		if err := pusher.Push(ctx, ref, one); err != nil {
			return fmt.Errorf("pushing %q: %w", ref, err)
		}
	}
	return nil
}

// Load pushes an image from a file: the directory of an OCI image layout, or an archive of one, or what docker save
// writes (compressed or not). reference says where to, registry host included. Where the file holds several images, the one
// whose name is reference is taken. A nil rt means the default transport.
func Load(ctx context.Context, path, reference string, rt http.RoundTripper) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return fmt.Errorf("parsing reference %q: %w", reference, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("opening image: %w", err)
	}
	var one remote.Taggable
	if info.IsDir() {
		one, err = only(path, reference)
	} else {
		var done func()
		one, done, err = fromArchive(path, reference)
		defer done()
	}
	if err != nil {
		return err
	}
	pusher, err := remote.NewPusher(remote.WithTransport(transport(rt)))
	if err != nil {
		return fmt.Errorf("preparing push to %q: %w", reference, err)
	}
	if err := pusher.Push(ctx, ref, one); err != nil {
		return fmt.Errorf("pushing %q: %w", reference, err)
	}
	return nil
}

func transport(rt http.RoundTripper) http.RoundTripper {
	if rt == nil {
		return remote.DefaultTransport
	}
	return rt
}

// mirrorName moves a full reference to another registry.
func mirrorName(full, registry string) (name.Reference, error) {
	tag, err := name.NewTag(full, name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("parsing image name %q: %w", full, err)
	}
	ref, err := name.NewTag(registry + "/" + tag.RepositoryStr() + ":" + tag.TagStr())
	if err != nil {
		return nil, fmt.Errorf("naming %q in registry %q: %w", full, registry, err)
	}
	return ref, nil
}

// refName is the annotation by which an index names its images.
const refName = "org.opencontainers.image.ref.name"

// only gives the one image (or multi-platform index) of a layout, or the one that is called reference.
func only(dir, reference string) (remote.Taggable, error) {
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fmt.Errorf("opening image layout %q: %w", dir, err)
	}
	man, err := idx.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading image layout %q: %w", dir, err)
	}
	at := 0
	if len(man.Manifests) != 1 {
		at = -1
		var there []string
		for i, d := range man.Manifests {
			if n := d.Annotations[refName]; n != "" && n == reference {
				at = i
			}
			there = append(there, fmt.Sprintf("%.100q", d.Annotations[refName]))
		}
		if at < 0 {
			return nil, fmt.Errorf("choosing image of layout %q: it holds %d, none is named %q (there are: %.500s)", dir, len(there), reference, strings.Join(there, ", "))
		}
	}
	d := man.Manifests[at]
	if d.MediaType.IsIndex() {
		inner, err := idx.ImageIndex(d.Digest)
		return taggable(inner, err, dir)
	}
	img, err := idx.Image(d.Digest)
	return taggable(img, err, dir)
}

func taggable(t remote.Taggable, err error, dir string) (remote.Taggable, error) {
	if err != nil {
		return nil, fmt.Errorf("reading image of layout %q: %w", dir, err)
	}
	return t, nil
}
