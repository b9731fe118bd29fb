// Package build makes an image of an installed Backstage workspace and pushes it
// by digest, without a container daemon: the base image, then one layer each for
// dependencies, application and configuration. The same inputs give the same
// digest. It is the only stage that imports go-containerregistry for itself.
package build

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Names of the layers in [Result]. An image has as many base layers as its base.
const (
	LayerBase          = "base"
	LayerDependencies  = "dependencies"
	LayerApplication   = "application"
	LayerConfiguration = "configuration"
)

// Layer is one layer of a built image.
type Layer struct {
	Name     string // LayerBase, LayerDependencies, LayerApplication or LayerConfiguration
	Digest   string // of the compressed bytes, "sha256:…"
	Size     int64  // compressed bytes
	Uploaded bool   // its bytes were sent; false when the registry had them already
}

// Result is a pushed image.
type Result struct {
	Image pipeline.Image
	// Base is the manifest of the base image for the platform that was built.
	Base   pipeline.Image
	Layers []Layer // bottom to top
}

// Build makes the image and pushes it by digest; no tag is written, see [Tag].
// Errors about the workspace or the options are of kind input, errors of a
// registry of kind unavailable.
func Build(ctx context.Context, o Options) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	o = o.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()

	source, err := openWorkspace(o.Source)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = source.Close() }()
	plan, err := planLayers(source, o.Include, o.Log)
	if err != nil {
		return Result{}, err
	}
	registry := newSession(ctx)
	base, err := registry.base(o.BaseImage, o.Platform)
	if err != nil {
		return Result{}, err
	}
	o.Log.Info("base image resolved", "reference", o.BaseImage, "digest", base.ref.Digest)

	dir, err := os.MkdirTemp("", "stagecrew-build-")
	if err != nil {
		return Result{}, fmt.Errorf("making a folder for layers: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	layers, err := archiveAll(ctx, source, plan, archiveOptions{dir: dir, created: o.Created, mediaType: base.layerType}, o.Log)
	if err != nil {
		return Result{}, err
	}
	image, err := assemble(base, layers, plan, o)
	if err != nil {
		return Result{}, fmt.Errorf("assembling the image: %w", err)
	}
	pushed, err := registry.push(o.Repository, image)
	if err != nil {
		return Result{}, err
	}
	result := Result{Image: pushed, Base: base.ref}
	if result.Layers, err = describe(image, layers, registry.uploads); err != nil {
		return Result{}, err
	}
	for _, l := range result.Layers {
		o.Log.Debug("layer", "name", l.Name, "digest", l.Digest, "bytes", l.Size, "uploaded", l.Uploaded)
	}
	o.Log.Info("image pushed by digest", "image", pushed)
	return result, nil
}

// describe lists the layers of an image; those that are not ours are the base's.
func describe(image v1.Image, ours []*fileLayer, sent *uploads) ([]Layer, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, fmt.Errorf("listing layers: %w", err)
	}
	// By position, because a layer of ours may have the very bytes of a base layer.
	first := len(manifest.Layers) - len(ours)
	layers := make([]Layer, 0, len(manifest.Layers))
	for i, d := range manifest.Layers {
		name := LayerBase
		if i >= first {
			name = ours[i-first].name
		}
		layers = append(layers, Layer{Name: name, Digest: d.Digest.String(), Size: d.Size, Uploaded: sent.has(d.Digest.String())})
	}
	return layers, nil
}

// platformOf reads "os/architecture[/variant]".
func platformOf(s string) (*v1.Platform, error) { return v1.ParsePlatform(s) }

// parseReference reads a tag or a digest by Docker's rules: no registry means
// Docker Hub, no tag means latest.
func parseReference(ref string) (name.Reference, error) { return name.ParseReference(ref) }

func discardIfNil(log *slog.Logger) *slog.Logger {
	return cmp.Or(log, slog.New(slog.DiscardHandler))
}
