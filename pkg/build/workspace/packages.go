package workspace

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Folders are those of the workspace's packages, by the patterns of its package.json,
// and of the folders outside of them that dependencies are linked to; sorted, without
// the root.
func Folders(root *os.Root) ([]string, error) {
	packages, err := packageFiles(root)
	if err != nil {
		return nil, err
	}
	folders := localOf(root, packages).links
	for _, file := range packages {
		folders = append(folders, path.Dir(file))
	}
	folders = slices.DeleteFunc(folders, func(folder string) bool { return folder == "." })
	slices.Sort(folders)
	return slices.Compact(folders), nil
}

// packageFiles are the package.json of the workspace's packages, by the patterns of
// the root's and, as Yarn has it, of the packages'; sorted.
func packageFiles(root *os.Root) ([]string, error) {
	found := map[string]bool{}
	for queue := []string{"."}; len(queue) > 0; queue = queue[1:] {
		folder := queue[0]
		file := path.Join(folder, "package.json")
		if found[file] {
			continue
		}
		found[file] = true
		m, err := readManifest(root, file)
		if folder != "." && err != nil {
			continue // whoever reads it says what is wrong with it
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil {
			return nil, record.BadInput("build/no-workspace", "reading package.json: %w", err)
		}
		patterns := m.patterns()
		if folder == "." {
			patterns = append(patterns, pnpmPatterns(root)...)
		}
		below, err := expand(root, folder, patterns)
		if err != nil {
			return nil, err
		}
		queue = append(queue, below...)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// pnpmPatterns are those of the file in which pnpm has what package.json has for others.
func pnpmPatterns(root *os.Root) []string {
	content, err := files.ReadIn(root, "pnpm-workspace.yaml", tree.MaxPackageJSON)
	if err != nil {
		return nil
	}
	var said struct {
		Packages []string `json:"packages"`
	}
	if yaml.Unmarshal(text.Unmarked(content), &said) != nil {
		return nil // pnpm says what is wrong with it
	}
	return said.Packages
}

// expand gives the folders with a package.json that patterns stand for. One with ! in
// front takes away what those before it gave.
func expand(root *os.Root, folder string, patterns []string) (folders []string, err error) {
	for _, written := range patterns {
		pattern, negative := strings.CutPrefix(written, "!")
		pattern = path.Join(folder, pattern)
		if !doublestar.ValidatePattern(pattern) {
			return nil, record.BadInput("build/no-workspace", "reading the workspaces of package.json: pattern %q: %w", written, doublestar.ErrBadPattern)
		}
		if negative {
			folders = slices.DeleteFunc(folders, func(folder string) bool { return doublestar.MatchUnvalidated(pattern, folder) })
			continue
		}
		err := doublestar.GlobWalk(root.FS(), pattern, func(name string, d fs.DirEntry) error {
			if base := path.Base(name); d.IsDir() && (base == backstage.Modules || base == ".git" || base == ".yarn") {
				return fs.SkipDir
			}
			if link, err := root.Readlink(name); err == nil { // the package is where it leads
				name = path.Join(path.Dir(name), link)
			}
			if tree.Exists(root, path.Join(name, "package.json")) {
				folders = append(folders, name)
			}
			return nil
		}, doublestar.WithNoFollow())
		if err != nil {
			return nil, record.BadInput("build/no-workspace", "reading the workspaces of package.json: pattern %q: %w", written, err)
		}
	}
	return folders, nil
}
