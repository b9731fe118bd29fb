package release

import (
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/registry"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// missingDependencies names the dependencies that Chart.yaml has and charts/ has not. Only
// Helm's commands look; its library goes on and deletes what the missing charts
// had made (https://github.com/helm/helm/issues/2209).
func missingDependencies(c *chart.Chart) []string {
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
	if r.fits(c) && !lacksBelow(c) {
		return nil
	}
	enabled, err := r.processed(merged, func(*chart.Chart) {})
	if err != nil {
		return nil //nolint:nilerr // Helm will say it
	}
	if path, names := findIncomplete(enabled, ""); path != "" {
		return r.incomplete(path, names)
	}
	// What Chart.yaml means, were the versions right.
	meant, err := r.processed(merged, acceptPresent)
	if err != nil || slices.Equal(tree(enabled, ""), tree(meant, "")) {
		return nil //nolint:nilerr // Helm will say it
	}
	return record.BadInput("release/dependencies", "chart %s: charts/ holds %s; Helm would ignore alias, condition and tags there: run `helm dependency build %s` before the deploy",
		r.Chart, strings.Join(mismatched(c), ", "), r.Chart)
}

// processed is the chart with the dependencies that the values choose.
func (r *Release) processed(merged map[string]any, change func(*chart.Chart)) (*chart.Chart, error) {
	c, err := r.Charts.of(r.Chart).load()
	if err != nil {
		return nil, err
	}
	change(c)
	return c, chartutil.ProcessDependenciesWithMerge(c, chartutil.Values(merged))
}

// tree names the dependencies of a chart as they would be rendered.
func tree(c *chart.Chart, path string) []string {
	var names []string
	for _, d := range c.Dependencies() {
		names = append(names, path+d.Name())
		names = append(names, tree(d, path+d.Name()+"/")...)
	}
	slices.Sort(names)
	return names
}

// acceptPresent makes Chart.yaml want the versions that are there.
func acceptPresent(c *chart.Chart) {
	for _, wanted := range c.Metadata.Dependencies {
		if there := versions(c, wanted); len(there) > 0 && !fit(wanted, there) {
			wanted.Version = there[0]
		}
	}
	for _, d := range c.Dependencies() {
		acceptPresent(d)
	}
}

// versions are those of a dependency that charts/ holds.
func versions(c *chart.Chart, wanted *chart.Dependency) []string {
	var there []string
	for _, d := range c.Dependencies() {
		if wanted != nil && d.Name() == wanted.Name {
			there = append(there, d.Metadata.Version)
		}
	}
	return there
}

func fit(wanted *chart.Dependency, there []string) bool {
	return slices.ContainsFunc(there, func(version string) bool { return chartutil.IsCompatibleRange(wanted.Version, version) })
}

// mismatched are the dependencies that charts/ holds in another version only. Helm
// then renders them as if Chart.yaml did not name them
// (https://github.com/helm/helm/issues/11936, also without a version: #10116).
func mismatched(c *chart.Chart) []string {
	var names []string
	for _, wanted := range c.Metadata.Dependencies {
		if there := versions(c, wanted); len(there) > 0 && !fit(wanted, there) {
			names = append(names, fmt.Sprintf("%s %s where Chart.yaml allows %q", wanted.Name, strings.Join(there, ", "), wanted.Version))
		}
	}
	for _, d := range c.Dependencies() {
		names = append(names, mismatched(d)...)
	}
	return names
}

// fits reports whether all versions are as wanted, and warns of the others.
func (r *Release) fits(c *chart.Chart) bool {
	names := mismatched(c)
	if len(names) > 0 {
		r.Log.Warn("charts/ holds dependencies in other versions than Chart.yaml wants", "chart", r.Chart, "there", strings.Join(names, "; "))
	}
	return len(names) == 0
}

func lacksBelow(c *chart.Chart) bool {
	path, _ := findIncomplete(c, "")
	return path != ""
}

// findIncomplete finds a chart below c that lacks dependencies.
func findIncomplete(c *chart.Chart, path string) (string, []string) {
	for _, d := range c.Dependencies() {
		below := path + "/charts/" + d.Name()
		if names := missingDependencies(d); len(names) > 0 {
			return below, names
		}
		if found, names := findIncomplete(d, below); found != "" {
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
	return record.BadInput("release/dependencies", "chart %s%s: Chart.yaml names dependencies that charts/ does not hold: %s. "+
		"They would not be deployed, and what runs of them would be deleted; %s", r.Chart, below, strings.Join(names, ", "), advice)
}
