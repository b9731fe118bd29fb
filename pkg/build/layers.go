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

// excludedPaths are left out of what [backstage.Included] names, besides what
// pkg/sensitive lists, by their whole path. The installers' notes about what they did
// hold versions of the workspace's own packages, which would make another layer of the
// same dependencies.
var excludedPaths = append([]string{
	"node_modules/.cache", "node_modules/.package-lock.json", "node_modules/.yarn-state.yml",
	"node_modules/.modules.yaml", "node_modules/.pnpm/lock.yaml", "node_modules/.pnpm-workspace-state*.json",
}, backstage.Packed()...)

// part is what an entry belongs to.
type part int

const (
	dependencies part = 1 << iota
	application
	configuration
)

// plan is what each layer of ours holds. A path that is read twice counts as it was
// read last.
type plan struct {
	// packages are the folders of the workspace's packages.
	packages []string
	parts    map[part]map[string]tree.Entry
}

// isPackage reports whether a folder is one of a package of the workspace.
func (p *plan) isPackage(folder string) bool {
	top, name, _ := strings.Cut(folder, "/")
	usual := (top == "packages" || top == "plugins") && name != "" && !strings.Contains(name, "/")
	return usual || slices.Contains(p.packages, folder)
}

// partOf tells which layer a path belongs to. Packages that could not be hoisted lie in
// a node_modules beside the package of the workspace that wants them; they change as
// seldom as the others. Any other node_modules was put there on purpose, such as that
// of a bundled or dynamic plugin, and belongs to the application.
func (p *plan) partOf(name string) part {
	if backstage.IsConfig(name) {
		return configuration
	}
	elements := strings.Split(name, "/")
	i := slices.Index(elements, backstage.Modules)
	if i == 0 || i > 0 && p.isPackage(path.Join(elements[:i]...)) {
		return dependencies
	}
	return application
}

// read adds those entries of a tree, below the given tops, that belong to the
// wanted parts.
func (p *plan) read(root *os.Root, tops []string, wanted part, out *omitted) error {
	for _, top := range tops {
		err := tree.Walk(root, top, func(name string, d fs.DirEntry) error {
			kind := p.partOf(name)
			if ignored, below := out.ignored(root, name, kind); ignored {
				if d.IsDir() && below {
					return fs.SkipDir
				}
				return nil
			}
			if p.leavesOut(root, name) || out.unwelcome(root, name, name == top, kind) || kind == dependencies && wanted&dependencies == 0 {
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
			p.add(kind, e)
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading %q: %w", top, err)
		}
	}
	return nil
}

func (p *plan) add(kind part, e tree.Entry) {
	if p.parts == nil {
		p.parts = map[part]map[string]tree.Entry{}
	}
	if p.parts[kind] == nil {
		p.parts[kind] = map[string]tree.Entry{}
	}
	p.parts[kind][e.Path] = e
}

// entries gives one part, sorted by path.
func (p *plan) entries(kind part) []tree.Entry {
	entries := make([]tree.Entry, 0, len(p.parts[kind]))
	for _, e := range p.parts[kind] {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b tree.Entry) int { return strings.Compare(a.Path, b.Path) })
	return entries
}

// hasConfig reports whether the image has the named configuration file.
func (p *plan) hasConfig(name string) bool {
	_, ok := p.parts[configuration][name]
	return ok
}

// topEntries are the places of a workspace to read: what the image of a workspace has,
// the workspace's packages, wherever they lie, and what was asked for.
func (p *plan) topEntries(root *os.Root, include []string) ([]string, error) {
	var tops []string
	for _, name := range slices.Concat(backstage.Included(), p.packages) {
		if tree.Exists(root, name) && !below(name, tops) {
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

// below reports whether a path is in one of the folders.
func below(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return strings.HasPrefix(name, folder+"/") })
}

// leavesOut reports whether a path is not for the image: what an installer notes, and
// sources of a package that has a dist folder beside them.
func (p *plan) leavesOut(root *os.Root, name string) bool {
	folder := path.Dir(name)
	if path.Base(name) == "src" && p.isPackage(folder) && tree.Exists(root, path.Join(folder, "dist")) {
		return true
	}
	return slices.ContainsFunc(excludedPaths, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// warnDangling tells about links whose target is in the workspace but not in the
// image. Dependencies that were installed by us are given; those that are not read
// because their layer is reused are not judged.
func (p *plan) warnDangling(log *slog.Logger, packed bool, installed []tree.Entry) {
	known := map[string]bool{".": true}
	var links []tree.Entry
	for _, e := range slices.Concat(p.entries(dependencies), installed, p.entries(application), p.entries(configuration)) {
		known[e.Path] = true
		if e.Link != "" && !strings.Contains(e.Path, "/.bin/") {
			links = append(links, e)
		}
	}
	read := len(installed) > 0 || p.parts[dependencies] != nil
	for _, e := range links {
		target := path.Join(path.Dir(e.Path), e.Link)
		switch {
		case known[target], p.partOf(target) == dependencies && !read:
		case packed && p.partOf(e.Path) == dependencies && p.isPackage(target): // the bundle has those that the backend needs
		default:
			log.Warn("a symbolic link leads to a path that is not part of the image; name it in the build's includes if the application needs it", "link", e.Path, "target", target)
		}
	}
}
