package manifest

import (
	"maps"
	"slices"
	"strings"
)

// ImageOf is the image that a revision runs: the one that its values name at path, if
// its manifest or a hook has it by that digest; "" else.
func ImageOf(values map[string]any, path string, manifests ...string) string {
	repository, digest := ImageValues(values, path)
	if digest == "" || !strings.HasPrefix(digest, "sha256:") {
		return ""
	}
	for _, manifest := range manifests {
		if RunsImage(manifest, repository, digest) {
			return repository + "@" + digest
		}
	}
	return ""
}

// ImageValues reads repository and digest at path, such as "image", from values.
func ImageValues(values map[string]any, path string) (repository, digest string) {
	at := values
	for _, key := range strings.Split(path, ".") {
		at, _ = at[key].(map[string]any)
	}
	repository, _ = at["repository"].(string)
	digest, _ = at["digest"].(string)
	return repository, digest
}

// ImagePaths are the mappings of a chart's values that look like an image, with the
// subcharts' own, and without the one that is set.
func ImagePaths(values map[string]any, set string) []string {
	var all []string
	var look func(path string, mapping map[string]any)
	look = func(path string, mapping map[string]any) {
		_, named := mapping["repository"].(string)
		_, tagged := mapping["tag"]
		_, pinned := mapping["digest"]
		if named && (tagged || pinned) && path != set {
			all = append(all, path)
		}
		for _, key := range slices.Sorted(maps.Keys(mapping)) {
			if inner, ok := mapping[key].(map[string]any); ok {
				look(strings.TrimPrefix(path+"."+key, "."), inner)
			}
		}
	}
	look("", values)
	return all
}
