package build

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// open runs the workspace's own build if that is wanted, and checks what is there.
func (b *layering) open(ctx context.Context) error {
	if b.Prepare {
		root, err := os.OpenRoot(b.Source)
		if err != nil {
			return pipeline.BadInput("build/no-workspace", "opening source %q: %w; give the root folder of the Backstage workspace", b.Source, err)
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
	return b.readApplication()
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
	if err := b.plan.read(b.source.root, tops, wanted); err != nil || !b.source.packed {
		return err
	}
	unpacked, err := b.folder("bundle")
	if err != nil {
		return err
	}
	for _, archive := range []string{skeletonArchive, bundleArchive} {
		if err := unpack(unpacked, b.source.root, archive); err != nil {
			return err
		}
	}
	return b.plan.read(unpacked, []string{"."}, application)
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
