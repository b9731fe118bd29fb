package build

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/workspace"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/sensitive"
)

// open runs the workspace's own build if that is wanted, and checks what is there.
func (b *layering) open(ctx context.Context) error {
	if b.Prepare {
		if err := workspace.Prepare(ctx, b.Source, b.installing()); err != nil {
			return err
		}
	}
	source, err := workspace.Open(b.Source, b.Prepare, len(b.Trees) > 0)
	if err != nil {
		return err
	}
	b.source = source
	if b.plan.packages, err = workspace.Folders(source.Root); err != nil {
		return err
	}
	for _, remark := range source.Remarks {
		b.Log.Warn(remark)
	}
	b.omitted.include = b.Include
	if b.omitted.ignores, err = readIgnores(b.source.Root, b.plan.packages, b.Include); err != nil {
		return err
	}
	if err := b.readApplication(); err != nil {
		return err
	}
	b.tellOmitted()
	b.tellCheckout()
	b.tellNamed()
	return nil
}

// installing says how dependencies are installed.
func (o Options) installing() workspace.Installing {
	return workspace.Installing{Scripts: o.InstallScripts, Environ: o.Environ, Environment: o.Environment, Flags: o.InstallFlags, Inputs: o.InstallInputs, Log: o.Log}
}

// tellOmitted logs what was left out of the image because of what it is, and what was
// not because it was named.
func (b *layering) tellOmitted() {
	for _, name := range slices.Sorted(maps.Keys(b.omitted.asked)) {
		b.Log.Warn("part of the image, because the build's includes name it", "path", name, "reason", b.omitted.asked[name])
	}
	const shown = 20
	if ignored := b.omitted.ignoredPaths; len(ignored) > 0 {
		b.Log.Info("left out of the image, as .dockerignore says", "paths", len(ignored), "first", strings.Join(ignored[:min(shown, len(ignored))], ", "))
	}
	if i := b.omitted.ignores; i != nil && len(i.without) > 0 {
		b.Log.Info("these patterns of .dockerignore are for a Dockerfile: the image is made of what they name, or it was asked for", "patterns", strings.Join(i.without, ", "))
	}
	names := slices.Sorted(maps.Keys(b.omitted.paths))
	for _, name := range names[:min(shown, len(names))] {
		text := "left out of the image; name it in the build's includes if the application needs it"
		if sensitive.Never(name) {
			text = "left out of the image, also where the build's includes name it"
		}
		b.Log.Info(text, "path", name, "reason", b.omitted.paths[name])
	}
	if more := len(names) - shown; more > 0 {
		b.Log.Info("and more that is left out of the image", "paths", more)
	}
}

// readApplication plans the application and the configuration, and, where they lie
// in the source, the dependencies.
func (b *layering) readApplication() error {
	tops, err := b.plan.topEntries(b.source.Root, b.Include)
	if err != nil {
		return err
	}
	wanted := application | configuration
	if !b.source.Install && len(b.Trees) == 0 {
		wanted |= dependencies
	}
	if b.source.Packed {
		// The archives decide what of the packages belongs to the application.
		tops = slices.DeleteFunc(tops, func(top string) bool {
			ours := top == "packages" || top == "plugins" || slices.Contains(b.plan.packages, top)
			return ours && !slices.Contains(b.Include, top)
		})
	}
	b.tops = tops
	if err := b.plan.read(b.source.Root, tops, wanted, &b.omitted); err != nil || !b.source.Packed {
		return err
	}
	unpacked, err := b.folder("bundle")
	if err != nil {
		return err
	}
	for _, archive := range []string{backstage.Skeleton, backstage.Bundle} {
		if err := workspace.Unpack(unpacked, b.source.Root, archive); err != nil {
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
	root, err := files.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b.opened = append(b.opened, root)
	return root, nil
}
