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

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// What is left out of what [backstage.Included] names, besides what pkg/sensitive lists.
var (
	// excludedPaths is matched against whole paths. The installers' notes about what
	// they did hold versions of the workspace's own packages, which would make
	// another layer of the same dependencies.
	excludedPaths = []string{
		"node_modules/.cache", "node_modules/.package-lock.json", "node_modules/.yarn-state.yml",
		"packages/*/dist/bundle.tar.gz", "packages/*/dist/skeleton.tar.gz",
	}
	// sources are left out where a dist folder stands beside them.
	sources = []string{"packages/*/src", "plugins/*/src"}
)

// entry is one file, folder or symbolic link of a tree.
type entry struct {
	root *os.Root
	path string // relative to the root, slashes
	mode fs.FileMode
	size int64
	link string // target of a symbolic link
}

// part is what an entry belongs to.
type part int

const (
	dependencies part = 1 << iota
	application
	configuration
)

// partOf tells which layer a path belongs to. Packages that npm could not hoist
// lie in packages/*/node_modules; they change as seldom as the others.
func partOf(name string) part {
	switch {
	case backstage.IsConfig(name):
		return configuration
	case name == modules || strings.HasPrefix(name, modules+"/") || strings.Contains(name, "/"+modules+"/") || strings.HasSuffix(name, "/"+modules):
		return dependencies
	}
	return application
}

const modules = "node_modules"

// plan is what each layer of ours holds. A path that is read twice counts as it was
// read last.
type plan map[part]map[string]entry

// read adds those entries of a tree, below the given tops, that belong to the
// wanted parts.
func (p plan) read(root *os.Root, tops []string, wanted part, out *omitted) error {
	for _, top := range tops {
		err := fs.WalkDir(root.FS(), top, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			kind := partOf(name)
			if leftOut(root, name) || out.unwelcome(root, name, name == top) || kind == dependencies && wanted&dependencies == 0 {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if kind&wanted == 0 || name == "." {
				return nil
			}
			e, err := newEntry(root, name, d)
			if err != nil {
				return err
			}
			if p[kind] == nil {
				p[kind] = map[string]entry{}
			}
			p[kind][name] = e
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading %q: %w", top, err)
		}
	}
	return nil
}

// entries gives one part, sorted by path.
func (p plan) entries(kind part) []entry {
	entries := make([]entry, 0, len(p[kind]))
	for _, e := range p[kind] {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return entries
}

// hasConfig reports whether the image has the named configuration file.
func (p plan) hasConfig(name string) bool {
	_, ok := p[configuration][name]
	return ok
}

// topEntries are the places of a workspace to read.
func topEntries(root *os.Root, include []string) ([]string, error) {
	var tops []string
	for _, name := range backstage.Included() {
		if exists(root, name) {
			tops = append(tops, name)
		}
	}
	for _, name := range include {
		if !exists(root, name) {
			return nil, record.BadInput("build/no-include", "reading included path %q: the source does not have it", name)
		}
		tops = append(tops, name)
	}
	found, err := fs.Glob(root.FS(), backstage.Configs)
	return append(tops, found...), err
}

func leftOut(root *os.Root, name string) bool {
	matches := func(patterns []string, s string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			ok, _ := path.Match(pattern, s)
			return ok
		})
	}
	if matches(excludedPaths, name) {
		return true
	}
	return matches(sources, name) && exists(root, path.Join(path.Dir(name), "dist"))
}

func newEntry(root *os.Root, name string, d fs.DirEntry) (entry, error) {
	info, err := d.Info()
	if err != nil {
		return entry{}, err
	}
	e := entry{root: root, path: name, mode: info.Mode()}
	switch e.mode.Type() {
	case 0:
		e.size = info.Size()
		return e, nil
	case fs.ModeDir:
		return e, nil
	case fs.ModeSymlink:
		e.link, err = root.Readlink(name)
		if err != nil {
			return entry{}, err
		}
		return e, checkLink(e)
	}
	return entry{}, record.BadInput("build/odd-file",
		"%q is a %s: an image of an application holds files, folders and symbolic links only; remove it", name, kindName(e.mode))
}

// checkLink refuses a link that leads out of the workspace: in the image it would
// lead to the base image's files, and it would tell about the build machine.
func checkLink(e entry) error {
	inside := !path.IsAbs(e.link) && fs.ValidPath(path.Join(path.Dir(e.path), e.link))
	if inside {
		// The system decides, because a link can lead through other links. A link
		// to nothing stays: npm leaves some behind.
		_, err := e.root.Stat(e.path)
		inside = err == nil || errors.Is(err, fs.ErrNotExist)
	}
	if inside {
		return nil
	}
	return record.BadInput("build/link-leaves-source",
		"symbolic link %q leads to %q, out of the workspace: replace it by its content or by a relative link", e.path, e.link)
}

// warnDangling tells about links whose target is in the workspace but not in the
// image, such as a workspace package outside packages/ and plugins/.
func (p plan) warnDangling(log *slog.Logger) {
	for _, kind := range []part{dependencies, application, configuration} {
		for _, e := range p.entries(kind) {
			if e.link == "" || strings.Contains(e.path, "/.bin/") {
				continue
			}
			target := path.Join(path.Dir(e.path), e.link)
			_, known := p[partOf(target)][target]
			// The dependencies are not read when their layer is reused.
			if target != "." && !known && (partOf(target) != dependencies || p[dependencies] != nil) {
				log.Warn("a symbolic link leads to a path that is not part of the image; name it in the build's includes if the application needs it", "link", e.path, "target", target)
			}
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
