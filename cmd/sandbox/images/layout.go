package images

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer packs a tree into a compressed layer; the file lies in dir as long as the layer is used.
func (t *tree) layer(dir, name string) (v1.Layer, error) {
	p := filepath.Join(dir, name+".tar.gz")
	f, err := os.Create(p)
	if err != nil {
		return nil, fmt.Errorf("creating layer: %w", err)
	}
	defer f.Close()
	buf := bufio.NewWriterSize(f, 1<<20)
	// The node of the sandbox unpacks each layer once, from a disk beside it: time counts for more than size.
	zw, err := gzip.NewWriterLevel(buf, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("compressing layer: %w", err)
	}
	if err := t.writeTar(zw); err != nil {
		return nil, fmt.Errorf("packing layer %q: %w", name, err)
	}
	if err := zw.Close(); err != nil {
		return nil, fmt.Errorf("compressing layer %q: %w", name, err)
	}
	if err := buf.Flush(); err != nil {
		return nil, fmt.Errorf("writing layer %q: %w", name, err)
	}
	l, err := tarball.LayerFromFile(p, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("reading layer %q back: %w", name, err)
	}
	return l, nil
}

// stack puts layers onto each other, each with a line of history.
func stack(layers ...layerNote) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, l := range layers {
		var err error
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:   l.layer,
			History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "sandbox: " + l.note},
		})
		if err != nil {
			return nil, fmt.Errorf("adding layer %q: %w", l.note, err)
		}
	}
	return img, nil
}

// layerNote is a layer and what its line of history says.
type layerNote struct {
	layer v1.Layer
	note  string
}

// withConfig sets how the image starts.
func withConfig(img v1.Image, cfg v1.Config) (v1.Image, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading image configuration: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Created = v1.Time{Time: epoch}
	file.Config = cfg
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		return nil, fmt.Errorf("writing image configuration: %w", err)
	}
	return img, nil
}

// writeLayout writes the image to a scratch directory and moves it into place whole, so that a directory that
// exists is complete.
func writeLayout(img v1.Image, scratch, dir string) error {
	p, err := layout.Write(scratch, empty.Index)
	if err != nil {
		return fmt.Errorf("creating image layout: %w", err)
	}
	if err := p.AppendImage(img, layout.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"})); err != nil {
		return fmt.Errorf("writing image layout: %w", err)
	}
	if err := os.Rename(scratch, dir); err != nil {
		return fmt.Errorf("moving image layout into place: %w", err)
	}
	return nil
}

// openImage describes the layout of a recipe.
func openImage(r recipe, dir string) (Image, error) {
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return Image{}, fmt.Errorf("opening image layout %q (remove it to have it made again): %w", dir, err)
	}
	man, err := idx.IndexManifest()
	if err != nil {
		return Image{}, fmt.Errorf("reading image layout %q (remove it to have it made again): %w", dir, err)
	}
	if len(man.Manifests) != 1 {
		return Image{}, fmt.Errorf("reading image layout %q: %d images instead of one; remove it to have it made again", dir, len(man.Manifests))
	}
	return Image{Names: r.names, Layout: dir, Digest: man.Manifests[0].Digest.String()}, nil
}
