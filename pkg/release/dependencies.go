package release

import (
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/registry"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// lacking names the dependencies that Chart.yaml has and charts/ has not. Only
// Helm's commands look; its library goes on and deletes what the missing charts
// had made (https://github.com/helm/helm/issues/2209).
func lacking(c *chart.Chart) []string {
	var names []string
	for _, wanted := range c.Metadata.Dependencies {
		if wanted != nil && !has(c, wanted.Name) {
			names = append(names, wanted.Name)
		}
	}
	return names
}

func has(c *chart.Chart, name string) bool {
	for _, d := range c.Dependencies() {
		if d.Name() == name {
			return true
		}
	}
	return false
}

// nested looks at the dependencies of dependencies. `helm dependency build` does
// not fetch those of a chart in a folder (https://github.com/helm/helm/issues/2247),
// and Helm's commands do not miss them; those that a condition or tag leaves out
// may be absent, as with Helm.
func (r *Release) nested(c *chart.Chart, merged map[string]any) error {
	if path, _ := deeper(c, ""); path == "" {
		return nil
	}
	files := r.Charts.of(r.Chart)
	enabled, err := files.load()
	if err != nil || chartutil.ProcessDependenciesWithMerge(enabled, chartutil.Values(merged)) != nil {
		return nil // Helm will say it
	}
	if path, names := deeper(enabled, ""); path != "" {
		return r.incomplete(path, names)
	}
	return nil
}

// deeper finds a chart below c that lacks dependencies.
func deeper(c *chart.Chart, path string) (string, []string) {
	for _, d := range c.Dependencies() {
		below := path + "/charts/" + d.Name()
		if names := lacking(d); len(names) > 0 {
			return below, names
		}
		if found, names := deeper(d, below); found != "" {
			return found, names
		}
	}
	return "", nil
}

func (r *Release) incomplete(below string, names []string) error {
	advice := "run `helm dependency build " + r.Chart + below + "` before the deploy"
	if registry.IsOCI(r.Chart) || strings.HasSuffix(r.Chart, ".tgz") {
		advice = "package the chart again after `helm dependency build`"
	}
	return pipeline.BadInput("release/dependencies", "chart %s%s: Chart.yaml names dependencies that charts/ does not hold: %s. "+
		"They would not be deployed, and what runs of them would be deleted; %s", r.Chart, below, strings.Join(names, ", "), advice)
}

// warnOfVersions tells of dependencies in another version than Chart.yaml wants:
// Helm renders them as if Chart.yaml did not name them, whatever their alias,
// condition or tags say.
func (r *Release) warnOfVersions(c *chart.Chart) {
	for _, wanted := range c.Metadata.Dependencies {
		if wanted == nil || wanted.Version == "" {
			continue
		}
		var there []string
		fits := false
		for _, d := range c.Dependencies() {
			if d.Name() == wanted.Name {
				there = append(there, d.Metadata.Version)
				fits = fits || chartutil.IsCompatibleRange(wanted.Version, d.Metadata.Version)
			}
		}
		if !fits && len(there) > 0 {
			r.Log.Warn("charts/ holds another version of a dependency than Chart.yaml wants; Helm ignores its alias, condition and tags then; run `helm dependency build`",
				"dependency", wanted.Name, "wanted", wanted.Version, "there", strings.Join(there, ", "))
		}
	}
}
