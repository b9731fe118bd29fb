package images

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// maxText bounds a migration, in bytes: a longer one is not read.
const maxText = 1 << 20

// Texts reads migrations of an image, by their folder and name with a slash between
// them. One that is not found, or too long, is not among them. The bounds are those of
// [Compare].
func Texts(ctx context.Context, o Options, image string, wanted migrations.Set) (map[string]string, error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(o.Timeout, defaultTimeout), errSlow)
	defer cancel()
	r := &reading{Options: o, client: o.Registry.Connect(), known: &store{dir: o.CacheDir, rule: rule(o.Files)}}
	opened, err := r.open(ctx, image)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i, d := range slices.Backward(opened.layers) {
		if i < len(opened.base) || len(found) == wanted.Len() || r.hasNone(d, wanted) {
			continue
		}
		if err := r.texts(ctx, opened, d, wanted, found); err != nil {
			return nil, registry.Wrap(err, "reading migrations of %q", image)
		}
	}
	return found, nil
}

// hasNone reports whether it is known that a layer has none of the files.
func (r *reading) hasNone(d v1.Descriptor, wanted migrations.Set) bool {
	l := r.known.get(d.Digest)
	return l != nil && !slices.ContainsFunc(l.Files, func(file string) bool { return key(file, wanted) != "" })
}

// key is what a file of an image is called among the texts, "" for one that is not wanted.
func key(file string, wanted migrations.Set) string {
	folder, name, ok := migrations.Split(file)
	if !ok || !slices.Contains(wanted[folder], name) {
		return ""
	}
	return folder + "/" + name
}

// texts reads those of one layer; what a higher one has stays.
func (r *reading) texts(ctx context.Context, o *opened, d v1.Descriptor, wanted migrations.Set, found map[string]string) error {
	if r.planned.Add(d.Size) > maxBytes {
		return errLarge
	}
	blob, err := o.image.LayerByDigest(d.Digest)
	if err != nil {
		return err
	}
	body, err := blob.Compressed()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	plain, end, err := unpacked(body)
	if err != nil {
		return err
	}
	defer end()
	here := map[string]string{}
	if err := eachText(ctx, io.LimitReader(plain, maxUnpacked), wanted, here); err != nil {
		return err
	}
	maps.Copy(here, found)
	maps.Copy(found, here)
	return nil
}

// eachText reads the wanted files of an archive.
func eachText(ctx context.Context, archive io.Reader, wanted migrations.Set, found map[string]string) error {
	for reader := tar.NewReader(archive); ; {
		h, err := reader.Next()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		file := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if h.Typeflag != tar.TypeReg || h.Size > maxText || key(file, wanted) == "" {
			continue
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		found[key(file, wanted)] = string(text)
	}
}
