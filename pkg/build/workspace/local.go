package workspace

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// local are dependencies that lie in the workspace but are not packages of it. Those
// out of it cannot be taken along.
type local struct {
	// files are what an install reads: archives, patches, folders that are copied.
	files []string
	// links are folders that node_modules gets a link to.
	links []string
}

// localOf collects what the package.json files ask for by path, and what those that
// they lead to ask for.
func localOf(root *os.Root, packages []string) (found local) {
	seen := map[string]bool{}
	for _, file := range packages {
		seen[path.Dir(file)] = true
	}
	npm := managerOf(root).name == "npm"
	for queue := slices.Clone(packages); len(queue) > 0; queue = queue[1:] {
		m, err := readManifest(root, queue[0])
		if err != nil {
			continue // whoever reads it says what is wrong with it
		}
		for _, patch := range m.PatchedDependencies {
			if name, ok := patch.(string); ok && !seen[path.Clean(name)] {
				seen[path.Clean(name)] = true
				found.files = append(found.files, inside([]string{name})...)
			}
		}
		for _, specifier := range m.specifiers() {
			for _, one := range pathsOf(specifier, path.Dir(queue[0])) {
				info, err := root.Stat(one.path)
				if err != nil || seen[one.path] {
					continue
				}
				seen[one.path] = true
				switch {
				case !info.IsDir():
					found.files = append(found.files, one.path)
				case one.link || npm:
					found.links = append(found.links, one.path)
					queue = append(queue, path.Join(one.path, "package.json"))
				default:
					found.files = append(found.files, one.path)
				}
			}
		}
	}
	slices.Sort(found.files)
	slices.Sort(found.links)
	return found
}

// place is a path of the workspace that a dependency is asked for by.
type place struct {
	path string
	link bool // by a link, whichever the package manager
}

// pathsOf reads a specifier of a package.json in a folder: file:, link:, portal:,
// exec:, a path by itself, and patch:PACKAGE#FILE&FILE, whose files begin with ~/ when
// they are meant from the root.
func pathsOf(specifier, folder string) (places []place) {
	add := func(name string, link bool) {
		name, _, _ = strings.Cut(name, "::")
		base := folder
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			name, base = rest, "."
		}
		if name == "" || path.IsAbs(name) {
			return
		}
		if inside := path.Join(base, name); inside != "." && fs.ValidPath(inside) {
			places = append(places, place{inside, link})
		}
	}
	protocol, rest, _ := strings.Cut(specifier, ":")
	switch protocol {
	case "file", "exec":
		add(strings.TrimPrefix(rest, "//"), false)
	case "link", "portal":
		add(rest, true)
	case "patch":
		_, patches, _ := strings.Cut(rest, "#")
		for one := range strings.SplitSeq(patches, "&") {
			one = strings.TrimPrefix(one, "optional!")
			if !strings.HasPrefix(one, "builtin<") {
				add(one, false)
			}
		}
	default:
		if strings.HasPrefix(specifier, "./") || strings.HasPrefix(specifier, "../") {
			add(specifier, false)
		}
	}
	return places
}
