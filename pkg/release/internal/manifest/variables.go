package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// WithVariables gives the containers of a manifest that run an image more variables, or
// other values of those that they have. Documents without such a container stay as they
// are. It says how many containers got them.
func WithVariables(text, repository, digest string, variables map[string]string) (string, int, error) {
	documents, count := Split(text), 0
	for i, document := range documents {
		changed, n, err := withVariables(document, repository, digest, variables)
		if err != nil {
			return "", 0, err
		}
		documents[i], count = changed, count+n
	}
	if count == 0 {
		return text, 0, nil
	}
	return "---\n" + strings.Join(documents, "\n---\n") + "\n", count, nil
}

func withVariables(document, repository, digest string, variables map[string]string) (string, int, error) {
	objects, err := Objects(document)
	if err != nil || len(objects) != 1 || !strings.Contains(document, digest) {
		return document, 0, nil //nolint:nilerr // what is no object is Helm's to refuse
	}
	template, count := podTemplate(objects[0]), 0
	spec, _ := template["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	for _, c := range containers {
		container, isMap := c.(map[string]any)
		if isMap && Runs(container, repository, digest) {
			setVariables(container, variables)
			count++
		}
	}
	if count == 0 {
		return document, 0, nil
	}
	written, err := yaml.Marshal(objects[0].Object)
	if err != nil {
		return "", 0, fmt.Errorf("writing %s/%s: %w", objects[0].GetKind(), objects[0].GetName(), err)
	}
	return templateComment(document) + strings.TrimSuffix(string(written), "\n"), count, nil
}

// setVariables leaves those in their places that are there.
func setVariables(container map[string]any, variables map[string]string) {
	env, _ := container["env"].([]any)
	env = slices.DeleteFunc(slices.Clone(env), func(one any) bool {
		_, set := variables[text(MapOf(one)["name"])]
		return set
	})
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		env = append(env, map[string]any{"name": name, "value": variables[name]})
	}
	container["env"] = env
}

// templateComment is Helm's comment that names the template of a document.
func templateComment(document string) string {
	for line := range strings.Lines(document) {
		if strings.HasPrefix(line, "# Source:") {
			return strings.TrimSpace(line) + "\n"
		}
	}
	return ""
}
