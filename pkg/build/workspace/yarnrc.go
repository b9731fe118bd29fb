package workspace

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// yarnSettings are those of .yarnrc.yml that name files of the workspace.
type yarnSettings struct {
	YarnPath    string `json:"yarnPath"`
	CacheFolder string `json:"cacheFolder"`
	PatchFolder string `json:"patchFolder"`
	// A plugin is a path, or an object with one.
	Plugins []any `json:"plugins"`
}

// ofYarn1 reports whether the Yarn that they name is of the first version, which is
// another program.
func (s yarnSettings) ofYarn1() bool { return strings.HasPrefix(path.Base(s.YarnPath), "yarn-1.") }

// readYarn1Settings reads .yarnrc, the file of Yarn 1: a key and a value a line, each
// perhaps in quotes.
func readYarn1Settings(root *os.Root) (s yarnSettings) {
	content, err := files.ReadIn(root, ".yarnrc", tree.MaxPackageJSON)
	if err != nil {
		return yarnSettings{}
	}
	for line := range strings.Lines(string(text.Unmarked(content))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.Trim(key, `"`) {
		case "yarn-path":
			s.YarnPath = value
		case "yarn-offline-mirror":
			s.CacheFolder = value
		}
	}
	return s
}

// readYarnSettings gives nothing for a file that is not there or no YAML: Yarn says so.
func readYarnSettings(root *os.Root) (s yarnSettings) {
	content, err := files.ReadIn(root, ".yarnrc.yml", tree.MaxPackageJSON)
	if err != nil || yaml.Unmarshal(text.Unmarked(content), &s) != nil {
		return yarnSettings{}
	}
	return s
}

// inputs are the files that an install reads and that decide what it does.
func (s yarnSettings) inputs() []string {
	names := []string{s.YarnPath, s.PatchFolder}
	for _, plugin := range s.Plugins {
		if object, ok := plugin.(map[string]any); ok {
			plugin = object["path"]
		}
		name, _ := plugin.(string)
		names = append(names, name)
	}
	return inside(names)
}

// caches are the folders with packages that the workspace brings along. They are no
// input: the lockfile has the sums of what it takes from them.
func (s yarnSettings) caches() []string {
	return inside([]string{".yarn/cache", s.CacheFolder})
}

// inside keeps what lies in the workspace.
func inside(names []string) (kept []string) {
	for _, name := range names {
		if name = path.Clean(name); name != "." && fs.ValidPath(name) {
			kept = append(kept, name)
		}
	}
	return kept
}
