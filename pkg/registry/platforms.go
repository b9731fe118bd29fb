package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Bounds of an index: entries, and indexes within indexes.
const (
	maxEntries = 1000
	maxDepth   = 3
)

// Entry is the image of one platform.
type Entry struct {
	// Platform is what the index says, or the image's configuration where that says
	// nothing: it is optional in an index, and podman makes such ones
	// (containers/podman#24685).
	Platform v1.Platform
	Digest   v1.Hash

	image v1.Image // nil until it is read
}

// Entries are the images that a descriptor leads to, in the order of its index:
// everything that a node may be given. Attestations and other artifacts are not.
func (c *Client) Entries(ctx context.Context, repo name.Repository, descriptor *remote.Descriptor) ([]Entry, error) {
	l := listing{client: c, repo: repo}
	if !descriptor.MediaType.IsIndex() {
		image, err := descriptor.Image()
		if err != nil {
			return nil, err
		}
		err = l.add(descriptor.Digest, image)
		return l.found, err
	}
	err := l.index(ctx, descriptor, 1)
	return l.found, err
}

// Image reads one of [Client.Entries].
func (c *Client) Image(ctx context.Context, repo name.Repository, e Entry) (v1.Image, error) {
	if e.image != nil {
		return e.image, nil
	}
	descriptor, err := c.Get(ctx, repo.Digest(e.Digest.String()))
	if err != nil {
		return nil, GoneFrom(repo, e.Digest.String(), err)
	}
	return descriptor.Image()
}

// GoneFrom is the error of what an index names, and the registry does not have: a clean-up
// of untagged versions takes the images from under their index
// (doobidoo/mcp-memory-service#1044, snok/container-retention-policy#97,
// vlaurin/action-ghcr-prune#76). Other errors stay what they are.
func GoneFrom(repo name.Repository, digest string, err error) error {
	if !IsNotFound(err) {
		return err
	}
	return record.BadInput("build/image-not-found", "the index in %q names %s, which the registry does not have any more, as after a clean-up of untagged versions: %w; build the image anew", repo.Name(), digest, Shown(err))
}

// ImageFor gives the image of one platform, out of an index or alone. An image that
// is made for just this platform goes before one that wants more of it: linux/amd64
// before linux/amd64/v3.
func (c *Client) ImageFor(ctx context.Context, repo name.Repository, descriptor *remote.Descriptor, want *v1.Platform) (v1.Image, error) {
	if !descriptor.MediaType.IsIndex() {
		return descriptor.Image()
	}
	if want.Architecture == "arm64" && want.Variant == "v8" {
		// The only one that there is, which indexes name or not.
		want = &v1.Platform{OS: want.OS, Architecture: want.Architecture, OSVersion: want.OSVersion}
	}
	entries, err := c.Entries(ctx, repo, descriptor)
	if err != nil {
		return nil, err
	}
	best := slices.IndexFunc(entries, func(e Entry) bool { return e.Platform.Satisfies(*want) && e.Platform.Variant == want.Variant })
	if best < 0 {
		best = slices.IndexFunc(entries, func(e Entry) bool { return e.Platform.Satisfies(*want) })
	}
	if best >= 0 {
		return c.Image(ctx, repo, entries[best])
	}
	if len(entries) == 0 {
		return nil, errors.New("its index names no image")
	}
	there := make([]string, len(entries))
	for i, e := range entries {
		there[i] = e.Platform.String()
	}
	return nil, fmt.Errorf("it has only %s", strings.Join(there, ", "))
}

// listing collects the images of an index.
type listing struct {
	client *Client
	repo   name.Repository
	found  []Entry
	looked int
}

func (l *listing) index(ctx context.Context, descriptor *remote.Descriptor, depth int) error {
	index, err := descriptor.ImageIndex()
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	if l.looked += len(manifest.Manifests); l.looked > maxEntries || depth > maxDepth {
		return record.BadInput("build/base-platform", "its index has more than %d entries, or indexes in indexes deeper than %d", maxEntries, maxDepth)
	}
	for _, m := range manifest.Manifests {
		if err := l.entry(ctx, m, depth); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) entry(ctx context.Context, m v1.Descriptor, depth int) error {
	if NoImage(m) {
		return nil
	}
	if m.MediaType.IsImage() && m.Platform != nil && m.Platform.OS != "" && m.Platform.Architecture != "" {
		l.found = append(l.found, Entry{Platform: *m.Platform, Digest: m.Digest})
		return nil
	}
	child, err := l.client.Get(ctx, l.repo.Digest(m.Digest.String()))
	if err != nil {
		return GoneFrom(l.repo, m.Digest.String(), err)
	}
	if m.MediaType.IsIndex() {
		return l.index(ctx, child, depth+1)
	}
	image, err := child.Image()
	if err != nil {
		return err
	}
	if runs, err := Runs(image); err != nil || !runs {
		return err
	}
	return l.add(m.Digest, image)
}

// NoImage reports whether an entry of an index says that it is none. BuildKit lists its
// attestations as platform unknown/unknown, and with an annotation that stays where
// something else drops the platform (docker/buildx#1509).
func NoImage(m v1.Descriptor) bool {
	return m.Platform != nil && m.Platform.OS == unknown || m.Annotations["vnd.docker.reference.type"] == "attestation-manifest" || !m.MediaType.IsImage() && !m.MediaType.IsIndex()
}

const unknown = "unknown"

// Runs reports whether something in the form of an image is one: an artifact has another
// kind of configuration, an attestation of BuildKit one for no system.
func Runs(image v1.Image) (bool, error) {
	manifest, err := image.Manifest()
	if err != nil || !manifest.Config.MediaType.IsConfig() {
		return false, err
	}
	config, err := ConfigOf(image)
	return err == nil && config.OS != unknown, err
}

// add notes an image with the platform of its configuration.
func (l *listing) add(digest v1.Hash, image v1.Image) error {
	config, err := ConfigOf(image)
	if err != nil {
		return err
	}
	platform := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant, OSVersion: config.OSVersion}
	l.found = append(l.found, Entry{Platform: platform, Digest: digest, image: image})
	return nil
}
