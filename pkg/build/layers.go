package build

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// What goes into the image. Everything else at the top of a workspace stays out,
// so that a file with secrets that happens to lie there never travels.
var (
	included = []string{
		"package.json", "package-lock.json", "yarn.lock", "backstage.json",
		"node_modules", "packages", "plugins",
		"catalog", "catalog-info.yaml", "examples",
	}
	// configs is matched against names at the top.
	configs = "app-config*.yaml"
	// excluded is matched against the base name of each path below the included ones.
	excluded = []string{".git", ".npmrc", ".yarnrc.yml", ".env", ".env.*", "*.local.yaml"}
	// excludedPaths is matched against whole paths.
	excludedPaths = []string{
		"node_modules/.cache",
		"packages/*/dist/bundle.tar.gz", "packages/*/dist/skeleton.tar.gz",
	}
	// sources are left out where a dist folder stands beside them.
	sources = []string{"packages/*/src", "plugins/*/src"}
)

// entry is one file, folder or symbolic link of the workspace.
type entry struct {
	path string // relative to the workspace, slashes
	mode fs.FileMode
	link string // target of a symbolic link
}

// plan is what each layer of ours holds, sorted by path.
type plan struct {
	dependencies, application, configuration []entry
}

// hasConfig tells whether the image has the named configuration file.
func (p *plan) hasConfig(name string) bool {
	return slices.ContainsFunc(p.configuration, func(e entry) bool { return e.path == name })
}

// planLayers walks the workspace and says which entry belongs to which layer.
func planLayers(root *os.Root, include []string, log *slog.Logger) (*plan, error) {
	tops, err := topEntries(root, include)
	if err != nil {
		return nil, err
	}
	p, all := &plan{}, map[string]bool{}
	for _, top := range tops {
		err := fs.WalkDir(root.FS(), top, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if leftOut(root, name) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if all[name] {
				return nil // named twice: by the list and by Include
			}
			e, err := newEntry(root, name, d)
			if err != nil {
				return err
			}
			all[name] = true
			p.add(e)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", top, err)
		}
	}
	for _, entries := range [][]entry{p.dependencies, p.application, p.configuration} {
		slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
		warnDangling(entries, all, log)
	}
	return p, nil
}

// add files an entry under its layer. Packages that npm could not hoist lie in
// packages/*/node_modules; they change as seldom as the others.
func (p *plan) add(e entry) {
	top := !strings.Contains(e.path, "/")
	isConfig, _ := path.Match(configs, e.path)
	switch {
	case top && isConfig:
		p.configuration = append(p.configuration, e)
	case slices.Contains(strings.Split(e.path, "/"), "node_modules"):
		p.dependencies = append(p.dependencies, e)
	default:
		p.application = append(p.application, e)
	}
}

func topEntries(root *os.Root, include []string) ([]string, error) {
	var tops []string
	for _, name := range included {
		if exists(root, name) {
			tops = append(tops, name)
		}
	}
	for _, name := range include {
		if !exists(root, name) {
			return nil, pipeline.BadInput("build/no-include", "reading included path %q: the source does not have it", name)
		}
		tops = append(tops, name)
	}
	found, err := fs.Glob(root.FS(), configs)
	return append(tops, found...), err
}

func leftOut(root *os.Root, name string) bool {
	matches := func(patterns []string, s string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, _ := path.Match(pattern, s)
			return ok
		})
	}
	if matches(excluded, path.Base(name)) || matches(excludedPaths, name) {
		return true
	}
	return matches(sources, name) && exists(root, path.Join(path.Dir(name), "dist"))
}

func newEntry(root *os.Root, name string, d fs.DirEntry) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	e := entry{path: name, mode: info.Mode()}
	switch e.mode.Type() {
	case 0, fs.ModeDir:
		return e, nil
	case fs.ModeSymlink:
		e.link, err = root.Readlink(name)
		if err != nil {
			return entry{}, err
		}
		return e, checkLink(root, e)
	}
	return entry{}, pipeline.BadInput("build/odd-file",
		"%q is a %s: an image of an application holds files, folders and symbolic links only; remove it", name, kindName(e.mode))
}

// checkLink refuses a link that leads out of the workspace: in the image it would
// lead to the base image's files, and it would tell about the build machine.
func checkLink(root *os.Root, e entry) error {
	inside := !path.IsAbs(e.link) && fs.ValidPath(path.Join(path.Dir(e.path), e.link))
	if inside {
		// The system decides, because a link can lead through other links. A link
		// to nothing stays: npm leaves some behind.
		_, err := root.Stat(e.path)
		inside = err == nil || errors.Is(err, fs.ErrNotExist)
	}
	if inside {
		return nil
	}
	return pipeline.BadInput("build/link-leaves-source",
		"symbolic link %q leads to %q, out of the workspace: replace it by its content or by a relative link", e.path, e.link)
}

// warnDangling tells about links whose target is in the workspace but not in the
// image, such as a workspace package outside packages/ and plugins/.
func warnDangling(entries []entry, all map[string]bool, log *slog.Logger) {
	for _, e := range entries {
		if e.link == "" {
			continue
		}
		target := path.Join(path.Dir(e.path), e.link)
		if target != "." && !all[target] && !strings.Contains(e.path, "/.bin/") {
			log.Warn("a symbolic link leads to a path that is not part of the image; name it in the build's includes if the application needs it", "link", e.path, "target", target)
		}
	}
}

func kindName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
