// Package workspace reads a Backstage workspace: is it built, what are its packages,
// which package manager installs what, and what determines the dependencies.
package workspace

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Workspace is the source of a build.
type Workspace struct {
	Root *os.Root
	// Packed says that the application is in the two archives of `yarn
	// build:backend` rather than unpacked beside them.
	Packed bool
	// Install says that the production dependencies are to be installed by us;
	// otherwise they are in node_modules.
	Install bool
	// Remarks are for the log: what was decided that the user may not have meant.
	Remarks []string
	manager manager
}

// Open opens the source as a root that no path can leave and checks
// that it is a built Backstage workspace. It reports every missing part at once,
// each with the command that makes it.
//
// The production dependencies are somewhere else when it is prepared for us, or
// when there are trees of them.
func Open(dir string, prepare, trees bool) (*Workspace, error) {
	root, err := files.OpenRoot(dir)
	if err != nil {
		return nil, notThere(dir, err)
	}
	w := &Workspace{Root: root, manager: managerOf(root), Remarks: remarks(root)}
	if err := w.check(prepare, trees); err != nil {
		w.Close()
		return nil, fmt.Errorf("checking workspace %q: %w", dir, err)
	}
	return w, nil
}

func notThere(dir string, err error) error {
	return record.BadInput("build/no-workspace", "opening source %q: %w; give the root folder of the Backstage workspace", dir, err)
}

// Close closes the root.
func (w *Workspace) Close() { _ = w.Root.Close() }

func (w *Workspace) check(prepare, trees bool) error {
	if !tree.Exists(w.Root, "package.json") {
		return record.BadInput("build/no-workspace", "package.json is missing: it is not the root of a Backstage workspace")
	}
	var problems []error
	if !tree.Exists(w.Root, w.manager.lockfile) {
		problems = append(problems, noLockfile(w.Root))
	}
	err := checkBackend(w.Root, w.manager.build)
	w.Packed = err != nil && tree.Exists(w.Root, backstage.Skeleton) && tree.Exists(w.Root, backstage.Bundle)
	w.Install = w.Packed || prepare
	if w.Install && w.manager.lockfile == pnpmLockfile {
		problems = append(problems, noLockfile(w.Root))
	}
	if err != nil && !w.Packed {
		problems = append(problems, err)
	}
	if !w.Install && !trees && !tree.Exists(w.Root, backstage.Modules) {
		problems = append(problems, record.BadInput("build/no-dependencies",
			"node_modules is missing: run `%s` there first, or let the build do it with --prepare", w.manager.hint))
	}
	if !tree.Exists(w.Root, backstage.AppConfig) {
		problems = append(problems, record.BadInput("build/no-config",
			"%s is missing: the backend starts with it; settings of production go to %s", backstage.AppConfig, backstage.ProductionConfig))
	}
	return record.Problems(problems...)
}

// checkBackend reports whether `node packages/backend` would find something to run.
func checkBackend(root *os.Root, build string) error {
	file := backstage.Backend + "/package.json"
	m, err := readManifest(root, file)
	if errors.Is(err, fs.ErrNotExist) {
		return record.BadInput("build/no-backend", "%s is missing: the image starts `node %s`", file, backstage.Backend)
	}
	if err != nil {
		return record.BadInput("build/no-backend", "reading %s: %w", file, err)
	}
	entry := path.Join(backstage.Backend, cmp.Or(m.Main, "index.js"))
	// Node completes the name as require() does.
	for _, candidate := range []string{entry, entry + ".js", entry + "/index.js"} {
		if info, err := root.Stat(candidate); err == nil && info.Mode().IsRegular() {
			return nil
		}
	}
	if tree.Exists(root, backstage.Bundle) {
		return record.BadInput("build/no-backend",
			"%s, the entry of the backend, is still packed, and %s, which `%s` writes beside it, is missing: build again, or run `tar -xzf %s` in the workspace", entry, backstage.Skeleton, build, backstage.Bundle)
	}
	return record.BadInput("build/no-backend",
		"%s, the entry of the backend, is missing: build it first (`%s`)", entry, build)
}
