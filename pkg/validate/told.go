package validate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/sensitive"
)

// told are the secrets that the configuration tells: in variables, in the history by the
// arguments of the build (npm/docs#850, goodwithtech/dockle#196), and in what else is shown to
// who inspects an image (trufflesecurity/trufflehog#3247, aquasecurity/trivy-operator#1198). Values are never
// printed (goodwithtech/dockle#268).
func told(file *v1.ConfigFile, manifest *v1.Manifest) (found []string) {
	for _, pair := range file.Config.Env {
		if name, value, _ := strings.Cut(pair, "="); sensitive.Variable(name, value) {
			found = append(found, "the variable "+name)
		}
	}
	for i, step := range file.History {
		for _, what := range sensitive.Step(step.CreatedBy) {
			if name, ok := strings.CutPrefix(what, "ENV "); ok && slices.Contains(found, "the variable "+name) {
				continue
			}
			found = append(found, fmt.Sprintf("%s in step %d of the history", what, i+1))
		}
	}
	return append(found, written(file.Config, manifest.Annotations)...)
}

// written are the places of a configuration, and of a manifest, in which a text logs in
// somewhere, whatever it is called.
func written(c v1.Config, annotations map[string]string) (found []string) {
	note := func(where string, texts ...string) {
		if sensitive.Text(strings.Join(texts, " ")) {
			found = append(found, where)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		note("the label "+name, c.Labels[name])
	}
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		if annotations[name] != c.Labels[name] {
			note("the annotation "+name, annotations[name])
		}
	}
	note("the entry point", c.Entrypoint...)
	note("the command", c.Cmd...)
	note("ONBUILD", c.OnBuild...)
	if c.Healthcheck != nil {
		note("the health check", c.Healthcheck.Test...)
	}
	return found
}
