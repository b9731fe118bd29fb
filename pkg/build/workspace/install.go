package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/program"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// installerFiles are those, besides package.json and the lockfile, that decide what
// an install does. Folders count with all they hold.
var installerFiles = []string{
	".yarnrc.yml", ".npmrc", ".yarn/releases", ".yarn/patches", ".yarn/plugins", "patches", "backstage.json",
}

// Installing says how dependencies are installed; the options of a build explain the
// fields.
type Installing struct {
	Scripts, Environ, Environment, Flags, Inputs []string
	Log                                          *slog.Logger
}

// Prepare builds the application in the folder, as its scripts say.
func Prepare(ctx context.Context, dir string, how Installing) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return notThere(dir, err)
	}
	defer func() { _ = root.Close() }()
	m := managerOf(root)
	install, build := m.steps(root)
	if build == nil {
		return nil
	}
	if err := m.installIn(ctx, dir, root, install, how); err != nil {
		return err
	}
	for _, step := range build {
		if err := m.run(ctx, dir, step, program.ForScripts(how.Environ, how.Environment), how.Log); err != nil {
			return err
		}
	}
	return nil
}

// InstallTo installs the production dependencies in an empty folder: from the
// lockfile, the installer's own files, and each package.json, without the sources.
func (w *Workspace) InstallTo(ctx context.Context, dir string, how Installing) error {
	target, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	files := slices.Concat([]string{"package.json", w.manager.lockfile}, installerFiles, how.Inputs)
	// Yarn takes the few packages of the skeleton, which lacks what only the browser
	// needs; npm wants all that the lockfile names.
	if !w.Packed || w.manager.name == "npm" {
		packages, err := packageFiles(w.Root)
		if err != nil {
			return err
		}
		files = append(files, packages...)
	}
	for _, name := range files {
		if err := copyTree(target, w.Root, name); err != nil {
			return fmt.Errorf("copying %q for the installer: %w", name, err)
		}
	}
	if w.Packed {
		if err := Unpack(target, w.Root, backstage.Skeleton); err != nil {
			return err
		}
	}
	if err := w.manager.installIn(ctx, dir, target, slices.Concat(w.manager.install, how.Flags), how); err != nil {
		return err
	}
	if !tree.Exists(target, backstage.Modules) {
		return record.BadInput("build/no-dependencies",
			"installing with %s wrote no node_modules: set `nodeLinker: node-modules` in .yarnrc.yml", w.manager.name)
	}
	return nil
}

// copyTree copies a file or folder; one that is not there is left out.
func copyTree(target, source *os.Root, name string) error {
	err := fs.WalkDir(source.FS(), name, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadIn(source, name, tree.MaxLockfile)
		if err != nil {
			return err
		}
		if err := target.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return target.WriteFile(name, text, 0o644)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
