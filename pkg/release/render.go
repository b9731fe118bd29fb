package release

import (
	"context"
	"maps"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// prepare gives the chart and the values that it is rendered with.
func (r *Release) prepare(ctx context.Context, image record.Image) (*chart.Chart, map[string]any, error) {
	c, err := r.chart(ctx)
	if err != nil {
		return nil, nil, err
	}
	merged, err := r.values(image)
	if err != nil {
		return nil, nil, err
	}
	r.secrets.Settings(over(defaults(c), merged))
	return c, merged, r.nested(c, merged)
}

// values merges files, --set and the image.
func (r *Release) values(image record.Image) (map[string]any, error) {
	given, err := r.given()
	if err != nil {
		return nil, err
	}
	merged := copied(given)
	r.secrets.Settings(merged)
	at := merged
	for _, key := range strings.Split(r.ImageValuesPath, ".") {
		next, ok := at[key].(map[string]any)
		if !ok {
			if at[key] != nil {
				return nil, record.BadInput("release/values", "--image-values-path %s: %q is not a mapping in the values", r.ImageValuesPath, key)
			}
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at["repository"], at["digest"] = image.Repository, image.Digest
	return merged, nil
}

// copied is a mapping whose mappings can be changed: the values are read once, so
// that what was planned is what is applied.
func copied(mapping map[string]any) map[string]any {
	result := make(map[string]any, len(mapping))
	for k, value := range mapping {
		if inner, ok := value.(map[string]any); ok {
			value = copied(inner)
		}
		result[k] = value
	}
	return result
}

// defaults are the values of a chart and, under their names, of those in it.
func defaults(c *chart.Chart) map[string]any {
	if c == nil {
		return nil
	}
	values := map[string]any{}
	for _, inner := range c.Dependencies() {
		values[inner.Name()] = defaults(inner)
	}
	return over(values, c.Values)
}

// over gives values with others over them.
func over(below, above map[string]any) map[string]any {
	merged := maps.Clone(below)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range above {
		lower, isMap := merged[key].(map[string]any)
		if upper, ok := value.(map[string]any); ok && isMap {
			value = over(lower, upper)
		}
		merged[key] = value
	}
	return merged
}
