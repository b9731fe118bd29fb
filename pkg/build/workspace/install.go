package workspace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"regexp"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/program"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// installerFiles are those, besides package.json and the lockfile, that decide what
// an install does. Folders count with all they hold.
var installerFiles = []string{
	".yarnrc.yml", ".yarnrc", ".npmrc", ".yarn/releases", ".yarn/patches", ".yarn/plugins", "patches", backstage.Versions,
	".npm-extension.mjs", ".npm-extension.cjs",
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
	if build == nil || m.lockfile == pnpmLockfile {
		return nil // who opens it says that pnpm does not install here
	}
	if err := m.check(root); err != nil {
		return err
	}
	if err := m.installIn(ctx, dir, root, install, how); err != nil {
		return err
	}
	env, _ := how.environment(root, program.ForScripts)
	for _, step := range build {
		if err := m.run(ctx, dir, step, env, how.Log); err != nil {
			return err
		}
	}
	return nil
}

// InstallTo installs the production dependencies in an empty folder: from the
// lockfile, the installer's own files, what dependencies are asked for by path, and
// each package.json, without the sources.
func (w *Workspace) InstallTo(ctx context.Context, dir string, how Installing) error {
	target, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	if err := w.manager.check(w.Root); err != nil {
		return err
	}
	packages, inputs, err := w.installInputs(how.Inputs)
	if err != nil {
		return err
	}
	all, err := packageFiles(w.Root)
	if err != nil {
		return err
	}
	if err := w.checkLockfile(ctx, append(all, packages...), inputs, how); err != nil {
		return err
	}
	names := slices.Concat([]string{"package.json", w.manager.lockfile}, inputs)
	if w.manager.name != "npm" {
		names = slices.Concat(names, readYarnSettings(w.Root).caches(), readYarn1Settings(w.Root).caches())
	}
	if err := copyTrees(target, w.Root, append(names, packages...)); err != nil {
		return err
	}
	if w.Packed {
		if err := Unpack(target, w.Root, backstage.Skeleton); err != nil {
			return err
		}
	}
	if err := w.manager.installIn(ctx, dir, target, slices.Concat(w.manager.install, how.Flags), how); err != nil {
		return advise(err)
	}
	if !tree.Exists(target, backstage.Modules) {
		return record.BadInput("build/no-dependencies",
			"installing with %s wrote no node_modules: set `nodeLinker: node-modules` in .yarnrc.yml", w.manager.name)
	}
	return nil
}

// installInputs are the package.json files that an install of the production
// dependencies gets, and the other files and folders that decide what it does.
//
// Yarn takes the few packages of the skeleton, which lacks what only the browser
// needs; npm wants all that the lockfile names.
func (w *Workspace) installInputs(further []string) (packages, inputs []string, err error) {
	all, err := packageFiles(w.Root)
	if err != nil {
		return nil, nil, err
	}
	near := localOf(w.Root, all)
	if !w.Packed || w.manager.name == "npm" {
		packages = all
	}
	for _, folder := range near.links {
		packages = append(packages, path.Join(folder, "package.json"))
	}
	return packages, slices.Concat(installerFiles, readYarnSettings(w.Root).inputs(), readYarn1Settings(w.Root).inputs(), near.files, further), nil
}

// advise adds what helps when an install did not find a file of the source.
func advise(err error) error {
	var failed *record.Error
	if !errors.As(err, &failed) || failed.Code != "build/command" {
		return err
	}
	if fileMissed.MatchString(err.Error()) {
		return record.BadInput(failed.Code, "%w\nThe dependencies are installed in a folder of their own, with the lockfile, each package.json, and what these ask for by path; if the install reads further files of the source, name them with --install-input", failed.Err)
	}
	return err
}

// fileMissed is what installers say where a file of the source may be missing; the sum of a
// package that is made of the source's files is another one then.
var fileMissed = regexp.MustCompile(`ENOENT|no such file|YN0001|YN0018: .*@(file|patch|portal|exec):|YN0080|YN0082|Cannot find module`)

func copyTrees(target, source *os.Root, names []string) error {
	for _, name := range names {
		if err := copyTree(target, source, name); err != nil {
			return fmt.Errorf("copying %q for the installer: %w", name, err)
		}
	}
	return nil
}

// copyTree copies what [eachInput] finds.
func copyTree(target, source *os.Root, name string) error {
	return eachInput(source, name, func(name string) error {
		if err := target.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return copyFile(target, source, name)
	})
}

// eachInput calls do with a file, or with each file of a folder that is not of an
// installed package. What is not there is left out. The key of the dependencies is made
// of the same files that the install gets.
func eachInput(root *os.Root, name string, do func(name string) error) error {
	err := tree.Walk(root, name, func(name string, d fs.DirEntry) error {
		base := path.Base(name)
		switch {
		case d.IsDir() && (base == backstage.Modules || base == ".git"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		return do(name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func copyFile(target, source *os.Root, name string) error {
	from, err := source.Open(name)
	if err != nil {
		return tree.Unreadable(name, err)
	}
	defer func() { _ = from.Close() }()
	to, err := target.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
