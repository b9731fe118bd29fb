// Package images reads the migrations of images in registries: by a label, which takes a
// few kilobytes, or else by the headers in the archives of layers, of which nothing is
// unpacked and nothing kept but names.
package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

const (
	// defaultTimeout bounds the reading of both images.
	defaultTimeout = time.Minute
	// maxBytes bounds what is read of both, in bytes as they travel.
	maxBytes = 2 << 30
)

// Options say how two images are compared. The zero value compares the files of
// Backstage's plugins.
type Options struct {
	Registry registry.Access
	// Files are patterns with ** of the files that count, by their path in the image
	// without a leading slash; none means those of Backstage's plugins.
	Files []string
	// Said is a word on the next image that stands elsewhere than in its label, and From
	// where.
	Said, From string
	// Always reads layers also where nothing says that the image is a Backstage.
	Always bool
	// CacheDir keeps what layers hold, by their digest; "" keeps nothing.
	CacheDir string
	Timeout  time.Duration // for all; a minute when zero
	Log      *slog.Logger
}

// Check looks at the patterns.
func (o Options) Check() error {
	for _, pattern := range o.Files {
		if !doublestar.ValidatePattern(pattern) || pattern == "" || strings.HasPrefix(pattern, "/") {
			return record.BadInput("config/invalid", "--migrations: %q is no pattern of paths in an image, such as app/db/migrate/*.rb", pattern)
		}
	}
	return nil
}

// Compare says what a rollback from the image next to the image live needs. What cannot
// be read leaves it unknown; an error is for a reference that is none, and for an image
// that the registry does not have or give.
func Compare(ctx context.Context, o Options, live, next string) (record.Migrations, error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, cmp.Or(o.Timeout, defaultTimeout), errSlow)
	defer cancel()
	r := &reading{Options: o, client: o.Registry.Connect(), known: &store{dir: o.CacheDir, rule: rule(o.Files)}}
	r.client.Transport = counting{r.client.Transport, &r.bytes}
	m, err := r.compare(ctx, live, next)
	m.Bytes, m.Seconds = r.bytes.Load(), time.Since(began).Seconds()
	return m, err
}

// reading is one comparison.
type reading struct {
	Options
	client *registry.Client
	known  *store
	// bytes were read, and planned will be.
	bytes, planned atomic.Int64
}

func (r *reading) compare(ctx context.Context, live, next string) (record.Migrations, error) {
	from, err := r.open(ctx, live)
	if err != nil {
		return unread(ctx, err)
	}
	to, err := r.open(ctx, next)
	if err != nil {
		return unread(ctx, err)
	}
	m := r.judge(ctx, from, to)
	m.From, m.To = from.name, to.name
	return m, nil
}

// unread is for an image that could not be opened. That it takes too long is no error.
func unread(ctx context.Context, err error) (record.Migrations, error) {
	m := migrations.Unknown(reason(ctx, err))
	if errors.Is(context.Cause(ctx), errSlow) {
		return m, nil
	}
	return m, err
}

// judge joins what a setting or a label says of the next image with what its files
// tell. Where a word is all that there is, nothing is read for it.
func (r *reading) judge(ctx context.Context, from, to *opened) record.Migrations {
	if from.digest == to.digest {
		return record.Migrations{Rollback: record.RollbackFree, Why: "both are the same image"}
	}
	word, where := r.word(to)
	listed := from.listed != nil && to.listed != nil
	if word != "" && !listed && len(r.Files) == 0 {
		return migrations.Say(word, where, migrations.Unknown("its files were not looked at"))
	}
	if word == "" && !r.Always && len(r.Files) == 0 && from.listed == nil && !to.isBackstage() {
		return migrations.Unknown("nothing says what becomes of its databases")
	}
	m, err := r.files(ctx, from, to)
	if err != nil {
		m = migrations.Unknown(reason(ctx, err))
	}
	if word == "" {
		return m
	}
	return migrations.Say(word, where, m)
}

// word is what a setting or a label says of the next image, and where that stands. One
// that is none is told and does not count.
func (r *reading) word(to *opened) (word migrations.Word, where string) {
	word, where = migrations.Word(r.Said), r.From
	if word == "" {
		word, where = migrations.Word(to.config.Labels[migrations.SaidLabel]), "the label "+migrations.SaidLabel+" of the image"
	}
	if word == "" {
		return "", ""
	}
	if err := record.CheckChoice(word); err != nil {
		r.Log.Warn(where+" is not one of the words that count", "error", err)
		return "", ""
	}
	return word, where
}

// opened is an image of which the configuration was read.
type opened struct {
	name   string // REPOSITORY@DIGEST
	digest v1.Hash
	image  v1.Image
	config v1.Config
	listed migrations.Set // by its label; nil without one
	layers []v1.Descriptor
	// base are the layers below those that a list tells of: they have no migrations.
	base []v1.Descriptor
}

// open reads what an image says of itself. Of an index it takes the image of one
// platform: its others have the same application.
func (r *reading) open(ctx context.Context, reference string) (*opened, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, record.BadInput("config/image", "parsing image %q: %w", reference, err)
	}
	descriptor, err := r.client.Get(ctx, ref)
	if err != nil {
		return nil, registry.Wrap(err, "looking for image %q", reference)
	}
	image, err := r.client.ImageFor(ctx, ref.Context(), descriptor, &v1.Platform{OS: "linux", Architecture: "amd64"})
	if err != nil {
		image, err = r.first(ctx, ref)
	}
	if err != nil {
		return nil, registry.Wrap(err, "reading image %q", reference)
	}
	o := &opened{name: ref.Context().Name() + "@" + descriptor.Digest.String(), digest: descriptor.Digest, image: image}
	return o, o.describe(reference, len(r.Files) == 0)
}

// first is the first image of an index.
func (r *reading) first(ctx context.Context, ref name.Reference) (v1.Image, error) {
	descriptor, err := r.client.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	entries, err := r.client.Entries(ctx, ref.Context(), descriptor)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("its index names no image")
	}
	return r.client.Image(ctx, ref.Context(), entries[0])
}

// describe reads configuration and manifest, and the list of a build where it counts.
func (o *opened) describe(reference string, lists bool) error {
	file, err := registry.ConfigOf(o.image)
	if err != nil {
		return registry.Wrap(err, "reading image %q", reference)
	}
	manifest, err := o.image.Manifest()
	if err != nil {
		return registry.Wrap(err, "reading image %q", reference)
	}
	o.config, o.layers = file.Config, manifest.Layers
	ids := make([]string, len(file.RootFS.DiffIDs))
	for i, id := range file.RootFS.DiffIDs {
		ids[i] = id.String()
	}
	if list, ok := migrations.ReadList(file.Config.Labels[migrations.ListLabel], ids); ok && lists && len(ids) == len(o.layers) {
		o.listed, o.base = list.Files, o.layers[:len(o.layers)-len(list.Layers)]
	}
	return nil
}

// isBackstage reports whether the image starts the backend of one.
func (o *opened) isBackstage() bool {
	return o.listed != nil || slices.ContainsFunc(slices.Concat(o.config.Entrypoint, o.config.Cmd), func(argument string) bool {
		return strings.Contains(argument, backstage.Backend)
	})
}

// counting counts the bytes of answers.
type counting struct {
	next  http.RoundTripper
	bytes *atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (c counting) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	if err == nil {
		response.Body = &counted{response.Body, c.bytes}
	}
	return response, err
}
