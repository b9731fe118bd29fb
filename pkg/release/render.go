package release

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/cli/values"
	helmgetter "helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/registry"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// chart loads the chart from a directory, an archive or a registry.
func (r *Release) chart() (*chart.Chart, error) {
	if r.Chart == "" {
		return nil, pipeline.BadInput("release/no-chart", "--chart: a chart is missing; give a directory or an oci:// reference")
	}
	path := r.Chart
	if registry.IsOCI(path) {
		client, err := registry.NewClient()
		if err != nil {
			return nil, fmt.Errorf("preparing the chart registry's client: %w", err)
		}
		install := action.NewInstall(r.helm.config)
		install.SetRegistryClient(client)
		if path, err = install.LocateChart(path, cli.New()); err != nil {
			return nil, pipeline.Unavailable("release/chart-unreachable", "fetching chart %s: %w", r.Chart, err)
		}
	}
	c, err := loader.Load(path)
	if err != nil {
		return nil, pipeline.BadInput("release/chart", "loading chart %s: %w", r.Chart, err)
	}
	return c, nil
}

// values merges files, --set and the image.
func (r *Release) values(image pipeline.Image) (map[string]any, error) {
	options := values.Options{ValueFiles: r.Values, Values: r.Set}
	merged, err := options.MergeValues(helmgetter.All(cli.New()))
	if err != nil {
		return nil, pipeline.BadInput("release/values", "reading the chart's values: %w", err)
	}
	at := merged
	for _, key := range strings.Split(r.ImageValuesPath, ".") {
		next, ok := at[key].(map[string]any)
		if !ok {
			if at[key] != nil {
				return nil, pipeline.BadInput("release/values", "--image-values-path %s: %q is not a mapping in the values", r.ImageValuesPath, key)
			}
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at["repository"], at["digest"] = image.Repository, image.Digest
	return merged, nil
}
