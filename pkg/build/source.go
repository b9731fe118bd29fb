package build

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// open runs the workspace's own build if that is wanted, and checks what is there.
func (b *layering) open(ctx context.Context) error {
	if b.Prepare {
		root, err := os.OpenRoot(b.Source)
		if err != nil {
			return record.BadInput("build/no-workspace", "opening source %q: %w; give the root folder of the Backstage workspace", b.Source, err)
		}
		w := &workspace{dir: b.Source, root: root, manager: managerOf(root)}
		err = w.prepare(ctx, b.Options)
		w.close()
		if err != nil {
			return err
		}
	}
	source, err := openWorkspace(b.Source, b.Prepare, len(b.Trees) > 0)
	if err != nil {
		return err
	}
	b.source = source
	b.omitted.include = b.Include
	if err := b.readApplication(); err != nil {
		return err
	}
	b.tellOmitted()
	return nil
}

// tellOmitted logs what was left out of the image because of what it is.
func (b *layering) tellOmitted() {
	names := slices.Sorted(maps.Keys(b.omitted.paths))
	const shown = 20
	for _, name := range names[:min(shown, len(names))] {
		b.Log.Info("left out of the image; name it in the build's includes if the application needs it", "path", name, "reason", b.omitted.paths[name])
	}
	if more := len(names) - shown; more > 0 {
		b.Log.Info("and more that is left out of the image", "paths", more)
	}
}

// readApplication plans the application and the configuration, and, where they lie
// in the source, the dependencies.
func (b *layering) readApplication() error {
	tops, err := topEntries(b.source.root, b.Include)
	if err != nil {
		return err
	}
	wanted := application | configuration
	if !b.source.install && len(b.Trees) == 0 {
		wanted |= dependencies
	}
	if b.source.packed {
		// The archives decide what of the packages belongs to the application.
		tops = slices.DeleteFunc(tops, func(top string) bool { return top == "packages" || top == "plugins" })
	}
	if err := b.plan.read(b.source.root, tops, wanted, &b.omitted); err != nil || !b.source.packed {
		return err
	}
	unpacked, err := b.folder("bundle")
	if err != nil {
		return err
	}
	for _, archive := range []string{backstage.Skeleton, backstage.Bundle} {
		if err := unpack(unpacked, b.source.root, archive); err != nil {
			return err
		}
	}
	return b.plan.read(unpacked, []string{"."}, application, &b.omitted)
}

// folder makes a folder of the build's own.
func (b *layering) folder(name string) (*os.Root, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o750); err != nil {
		return nil, err
	}
	return b.openRoot(dir)
}

func (b *layering) openRoot(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b.opened = append(b.opened, root)
	return root, nil
}
