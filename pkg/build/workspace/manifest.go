package workspace

import (
	"encoding/json"
	"maps"
	"os"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// manifest is what a package.json says.
type manifest struct {
	Name                 any               `json:"name"`
	Backstage            any               `json:"backstage"`
	Engines              any               `json:"engines"`
	Main                 string            `json:"main"`
	PackageManager       string            `json:"packageManager"`
	Workspaces           any               `json:"workspaces"`
	Scripts              map[string]string `json:"scripts"`
	Dependencies         map[string]any    `json:"dependencies"`
	DevDependencies      map[string]any    `json:"devDependencies"`
	OptionalDependencies map[string]any    `json:"optionalDependencies"`
	Resolutions          map[string]any    `json:"resolutions"`
	Overrides            map[string]any    `json:"overrides"`
	AllowScripts         map[string]any    `json:"allowScripts"`
	PatchedDependencies  map[string]any    `json:"patchedDependencies"` // of npm 12: a package to the path of a patch
}

func readManifest(root *os.Root, file string) (m manifest, err error) {
	content, err := files.ReadIn(root, file, tree.MaxPackageJSON)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text.Unmarked(content), &m)
}

// Lacking are the dependencies of the backend that a folder with installed dependencies does
// not have, sorted: it was filled for another package (`yarn workspaces focus app`), before
// they were added, or hardly at all (pnpm/pnpm#6682).
func (w *Workspace) Lacking(in *os.Root) (names []string) {
	m, err := readManifest(w.Root, backstage.Backend+"/package.json")
	if err != nil {
		return nil // of archives it is read elsewhere
	}
	for _, name := range slices.Sorted(maps.Keys(m.Dependencies)) {
		_, optional := m.OptionalDependencies[name]
		file := backstage.Modules + "/" + name
		if !optional && !isIn(in, file) && !isIn(in, backstage.Backend+"/"+file) {
			names = append(names, name)
		}
	}
	return names
}

// server is the plugin of the backend that serves a frontend of the workspace: it looks for
// its package among the installed ones.
const server = "@backstage/plugin-app-backend"

// Unserved are the names of the workspace's frontends where the backend is to serve one and
// a folder with installed dependencies has none of them: the backend ends at its start
// (backstage/backstage#2573, #10093, #25724).
func (w *Workspace) Unserved(in *os.Root, packages []string) (names []string) {
	m, err := readManifest(w.Root, backstage.Backend+"/package.json")
	if _, serves := m.Dependencies[server]; err != nil || !serves {
		return nil
	}
	for _, folder := range packages {
		m, err := readManifest(w.Root, folder+"/package.json")
		role, _ := m.Backstage.(map[string]any)
		name, named := m.Name.(string)
		if err != nil || !named || role["role"] != "frontend" {
			continue
		}
		file := backstage.Modules + "/" + name
		if isIn(in, file) || isIn(in, backstage.Backend+"/"+file) {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// isIn reports whether there is something by that name, were it a link.
func isIn(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return err == nil
}

// patterns are those of the workspaces, in their order.
func (m manifest) patterns() (patterns []string) {
	list, _ := m.Workspaces.([]any)
	if object, ok := m.Workspaces.(map[string]any); ok {
		list, _ = object["packages"].([]any)
	}
	for _, one := range list {
		if pattern, ok := one.(string); ok {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

// specifiers are what the dependencies are asked for by, whatever they are for.
func (m manifest) specifiers() (specifiers []string) {
	var collect func(any)
	collect = func(value any) {
		switch value := value.(type) {
		case string:
			specifiers = append(specifiers, value)
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(value)) {
				collect(value[name])
			}
		}
	}
	for _, all := range []map[string]any{m.Dependencies, m.DevDependencies, m.OptionalDependencies, m.Resolutions, m.Overrides} {
		collect(all)
	}
	return specifiers
}
