package workspace

import (
	"github.com/Masterminds/semver/v3"

	"github.com/stagecrew/stagecrew/pkg/backstage"
)

// Unfit gives the range of versions of Node.js that the workspace, or its backend, asks for
// where a version is outside of it, "" where it fits, and where that is unknown. Installers
// look at their own Node.js only, which need not be the image's
// (backstage/backstage#19974, gaia-react/gaia#1626).
func (w *Workspace) Unfit(node string) string {
	version, err := semver.NewVersion(node)
	if err != nil {
		return ""
	}
	for _, file := range []string{"package.json", backstage.Backend + "/package.json"} {
		m, err := readManifest(w.Root, file)
		engines, _ := m.Engines.(map[string]any)
		wanted, _ := engines["node"].(string)
		if err != nil || wanted == "" {
			continue
		}
		ranges, err := semver.NewConstraint(wanted)
		if err == nil && !ranges.Check(version) {
			return wanted
		}
	}
	return ""
}
