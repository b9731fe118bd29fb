package scaffold

import (
	"os"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/files"
)

// chart is a Helm chart of the repository.
type chart struct {
	Dir string `json:"-"`
	// ImagePath is where its values take the image, "" for the usual `image`.
	ImagePath string `json:"-"`

	// What Chart.yaml says.
	Name         string                         `json:"name"`
	Type         string                         `json:"type"`
	Dependencies []struct{ Name, Alias string } `json:"dependencies"`
}

// charts finds the chart that is deployed and its values for production.
func (f *facts) charts(root *os.Root, names []string) {
	var all []chart
	for _, name := range names {
		// A chart below charts/ of another one is a part of that.
		inChart := slices.ContainsFunc(all, func(c chart) bool { return strings.HasPrefix(name, path.Join(c.Dir, "charts")+"/") })
		if path.Base(name) != "Chart.yaml" || inChart {
			continue
		}
		if c, ok := readChart(root, name); ok {
			all = append(all, c)
			f.Charts = append(f.Charts, c.Dir)
		}
	}
	f.choose(all)
	if f.Chart.Dir == "" {
		return
	}
	f.Chart.ImagePath = imagePath(root, f.Chart)
	for _, name := range names {
		base := path.Base(name)
		if strings.Contains(base, "values") && strings.Contains(base, "prod") && (strings.HasSuffix(base, ".yaml") || strings.HasSuffix(base, ".yml")) {
			f.Values = append(f.Values, name)
		}
	}
}

// choose takes the only chart, or the only one that has the name of the repository.
func (f *facts) choose(all []chart) {
	if len(all) == 1 {
		f.Chart = all[0]
		return
	}
	named := slices.DeleteFunc(slices.Clone(all), func(c chart) bool {
		return label(c.Name) != label(path.Base(f.Slug)) && (!f.Backstage || !strings.Contains(c.Name, "backstage"))
	})
	if len(named) == 1 {
		f.Chart = named[0]
	}
}

// readChart reads a Chart.yaml; a library is nothing to deploy.
func readChart(root *os.Root, name string) (chart, bool) {
	var c chart
	text, err := files.ReadIn(root, name, maxSize)
	if err != nil || yaml.Unmarshal(text, &c) != nil || c.Name == "" {
		return chart{}, false
	}
	c.Dir = path.Dir(name)
	return c, c.Type != "library"
}

// imagePath is the only place in the chart's own values with a repository beside a tag
// or a digest, "" when that is `image` or cannot be told.
func imagePath(root *os.Root, c chart) string {
	text, err := files.ReadIn(root, path.Join(c.Dir, "values.yaml"), maxSize)
	if err != nil {
		return ""
	}
	var values map[string]any
	if yaml.Unmarshal(text, &values) != nil {
		return ""
	}
	for _, d := range c.Dependencies {
		delete(values, d.Name)
		delete(values, d.Alias)
	}
	places := images(values, "")
	if len(places) != 1 || places[0] == "image" {
		return ""
	}
	return places[0]
}

// images are the places of images in values, unless the usual one is among them.
func images(values map[string]any, at string) []string {
	var places []string
	for key, value := range values {
		below, isMap := value.(map[string]any)
		if !isMap {
			continue
		}
		here := strings.TrimPrefix(at+"."+key, ".")
		_, repository := below["repository"].(string)
		_, tag := below["tag"]
		_, digest := below["digest"]
		if repository && (tag || digest) {
			places = append(places, here)
		}
		places = append(places, images(below, here)...)
	}
	if slices.Contains(places, "image") {
		return []string{"image"}
	}
	return places
}
