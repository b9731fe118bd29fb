package build

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
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
	case name == backstage.Modules || strings.HasPrefix(name, backstage.Modules+"/") || strings.Contains(name, "/"+backstage.Modules+"/") || strings.HasSuffix(name, "/"+backstage.Modules):
		return dependencies
	}
	return application
}

// plan is what each layer of ours holds. A path that is read twice counts as it was
// read last.
type plan map[part]map[string]tree.Entry

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
			e, err := tree.NewEntry(root, name, d)
			if err != nil {
				return err
			}
			if p[kind] == nil {
				p[kind] = map[string]tree.Entry{}
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
func (p plan) entries(kind part) []tree.Entry {
	entries := make([]tree.Entry, 0, len(p[kind]))
	for _, e := range p[kind] {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b tree.Entry) int { return strings.Compare(a.Path, b.Path) })
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
		if tree.Exists(root, name) {
			tops = append(tops, name)
		}
	}
	for _, name := range include {
		if !tree.Exists(root, name) {
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
	return matches(sources, name) && tree.Exists(root, path.Join(path.Dir(name), "dist"))
}

// warnDangling tells about links whose target is in the workspace but not in the
// image, such as a workspace package outside packages/ and plugins/.
func (p plan) warnDangling(log *slog.Logger) {
	for _, kind := range []part{dependencies, application, configuration} {
		for _, e := range p.entries(kind) {
			if e.Link == "" || strings.Contains(e.Path, "/.bin/") {
				continue
			}
			target := path.Join(path.Dir(e.Path), e.Link)
			_, known := p[partOf(target)][target]
			// The dependencies are not read when their layer is reused.
			if target != "." && !known && (partOf(target) != dependencies || p[dependencies] != nil) {
				log.Warn("a symbolic link leads to a path that is not part of the image; name it in the build's includes if the application needs it", "link", e.Path, "target", target)
			}
		}
	}
}
