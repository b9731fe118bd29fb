package release

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/bounded"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// again renders a chart a second time, as Helm did, and tells what the record does not:
// what Helm has left out of it, and what comes out otherwise each time. What cannot be
// rendered again says nothing.
func (e *engine) again(c *chart.Chart, merged map[string]any, stored *helmrelease.Release, first bool) []record.Concern {
	files, err := e.render(c, merged, stored, first)
	if err != nil {
		return nil
	}
	concerns := manifest.UnknownHooks(files)
	if !first {
		concerns = append(concerns, manifest.Random(stored.Manifest, files)...)
	}
	return concerns
}

// render gives the files that a chart renders to, each under "# Source: NAME".
func (e *engine) render(c *chart.Chart, merged map[string]any, stored *helmrelease.Release, first bool) (string, error) {
	values, err := chartutil.ToRenderValues(c, merged, chartutil.ReleaseOptions{
		Name: stored.Name, Namespace: stored.Namespace, Revision: stored.Version, IsInstall: first, IsUpgrade: !first,
	}, e.config.Capabilities)
	if err != nil {
		return "", err
	}
	access, err := e.config.RESTClientGetter.ToRESTConfig()
	if err != nil {
		return "", err
	}
	var files map[string]string
	if err := bounded.Stacks(func() (err error) { files, err = helmengine.New(access).Render(c, values); return err }); err != nil {
		return "", err
	}
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(path.Base(name), "_") || path.Base(name) == "NOTES.txt" {
			continue
		}
		for _, document := range manifest.Split(files[name]) {
			fmt.Fprintf(&all, "---\n# Source: %s\n%s\n", name, document)
		}
	}
	return all.String(), nil
}
