package images

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bmatcuk/doublestar/v4"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// parallel is how many layers are read at the same time.
const parallel = 4

// layers reads several, the small ones first, and gives them in their order.
func (r *reading) layers(ctx context.Context, o *opened, wanted []v1.Descriptor) ([]*layer, error) {
	bySize := make([]int, len(wanted))
	for i := range bySize {
		bySize[i] = i
	}
	slices.SortStableFunc(bySize, func(a, b int) int { return int(wanted[a].Size - wanted[b].Size) })
	found := make([]*layer, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, i := range bySize {
		group.Go(func() error {
			return record.Guard(func() (err error) {
				found[i], err = r.layer(ctx, o, wanted[i], func(*layer) bool { return false })
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return found, nil
}

// layer reads one, unless that was done before, as far as is enough.
func (r *reading) layer(ctx context.Context, o *opened, d v1.Descriptor, enough func(*layer) bool) (*layer, error) {
	if l := r.known.get(d.Digest); l != nil {
		return l, nil
	}
	if r.planned.Add(d.Size) > maxBytes {
		return nil, errLarge
	}
	blob, err := o.image.LayerByDigest(d.Digest)
	if err != nil {
		return nil, err
	}
	body, err := blob.Compressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	l, err := list(ctx, body, r.isWanted, enough)
	if errors.Is(err, errEnough) {
		return l, nil
	}
	if err == nil {
		r.known.put(d.Digest, l)
	}
	return l, err
}

// isWanted reports whether a path is one of a migration.
func (r *reading) isWanted(file string) bool {
	if len(r.Files) == 0 {
		_, _, is := migrations.Split(file)
		return is
	}
	return slices.ContainsFunc(r.Files, func(pattern string) bool { return doublestar.MatchUnvalidated(pattern, file) })
}

// cutFolder is a path below a folder, "." being all.
func cutFolder(file, folder string) (name string, below bool) {
	if folder == "." {
		return file, true
	}
	return strings.CutPrefix(file, folder+"/")
}

// counted counts what is read of an answer.
type counted struct {
	io.ReadCloser
	bytes *atomic.Int64
}

// Read implements [io.Reader].
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}
