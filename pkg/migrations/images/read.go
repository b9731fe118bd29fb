package images

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bmatcuk/doublestar/v4"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

var (
	errSlow  = errors.New("reading the layers takes too long")
	errLarge = fmt.Errorf("the layers have more than %d MB", maxBytes>>20)
)

// reason is an error as a verdict says it.
func reason(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return "the migrations of the images could not be read: " + registry.Shown(err).Error()
}

// files compares the images by their files. Layers that both have are read only where
// they can change the verdict: a folder that seems new may lie in them, too, and images
// whose other layers have no migrations may have none at all.
func (r *reading) files(ctx context.Context, from, to *opened) (record.Migrations, error) {
	same := common(from, to)
	m, hides, err := r.above(ctx, from, to, same)
	switch {
	case err != nil, same == 0, m.Rollback == record.RollbackNeedsDatabase:
		return m, err
	case !hides && m.Rollback == record.RollbackUnknown:
		return r.shared(ctx, from, same)
	case !hides && len(m.Plugins) == 0:
		return m, nil
	}
	m, _, err = r.above(ctx, from, to, 0)
	return m, err
}

// common is how many layers both images have at their lower ends, where both have to be
// read.
func common(from, to *opened) (n int) {
	if from.listed != nil || to.listed != nil {
		return 0
	}
	for n < min(len(from.layers), len(to.layers)) && from.layers[n].Digest == to.layers[n].Digest {
		n++
	}
	return n
}

// above compares the images by their layers above the lowest ones, and says whether one
// hides something that may lie in these.
func (r *reading) above(ctx context.Context, from, to *opened, lowest int) (m record.Migrations, hides bool, err error) {
	sets := make([]migrations.Set, 2)
	for i, pair := range [][2]*opened{{from, to}, {to, from}} {
		var hidden bool
		if sets[i], hidden, err = r.set(ctx, pair[0], pair[1], lowest); err != nil {
			return m, false, err
		}
		hides = hides || hidden
	}
	return migrations.Compare(sets[0], sets[1]), hides, nil
}

// set are the migrations of an image. What is the base of the other one, of which a list
// tells, has none.
func (r *reading) set(ctx context.Context, o, other *opened, lowest int) (files migrations.Set, hides bool, err error) {
	if o.listed != nil {
		return o.listed, false, nil
	}
	wanted := slices.DeleteFunc(slices.Clone(o.layers[lowest:]), func(d v1.Descriptor) bool {
		return slices.ContainsFunc(other.base, func(known v1.Descriptor) bool { return known.Digest == d.Digest })
	})
	layers, err := r.layers(ctx, o, wanted)
	for _, l := range layers {
		hides = hides || len(l.Hidden)+len(l.Closed) > 0
	}
	return r.sorted(merge(layers)), hides, err
}

// sorted makes a set of paths. By a pattern, the folder is the part of it that is fixed,
// and is there also where nothing lies in it: it is not a plugin that comes and goes.
func (r *reading) sorted(files []string) migrations.Set {
	if len(r.Files) == 0 {
		return migrations.Of(files)
	}
	s := migrations.Set{}
	for _, pattern := range r.Files {
		folder, rest := doublestar.SplitPattern(pattern)
		s[folder] = append(s[folder], []string{}...)
		for _, file := range files {
			if name, below := cutFolder(file, folder); below && doublestar.MatchUnvalidated(rest, name) {
				s.Add(folder, name)
			}
		}
	}
	return s
}

// shared is for images of which only the layers that both have can hold migrations. It is
// known at the first one that is found; an application lies above its base.
func (r *reading) shared(ctx context.Context, o *opened, lowest int) (record.Migrations, error) {
	found := func(l *layer) bool { return len(l.Files) > 0 }
	for _, d := range slices.Backward(o.layers[:lowest]) {
		l, err := r.layer(ctx, o, d, found)
		if err != nil {
			return record.Migrations{}, err
		}
		if found(l) {
			return record.Migrations{Rollback: record.RollbackFree, Why: "the migrations lie in layers that both images have"}, nil
		}
	}
	return migrations.Compare(r.sorted(nil), r.sorted(nil)), nil
}
