package release

import (
	"maps"
	"slices"
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// imageOf is the image that a revision runs: the one that its values name, if its
// manifest or a hook has it by that digest; "" else.
func imageOf(record *helmrelease.Release, path string) string {
	repository, digest := imageValues(record.Config, path)
	if digest == "" || !strings.HasPrefix(digest, "sha256:") {
		return ""
	}
	if manifest.RunsImage(record.Manifest, repository, digest) || manifest.RunsImage(hooksOf(record), repository, digest) {
		return repository + "@" + digest
	}
	return ""
}

// imageValues reads repository and digest from a revision's values.
func imageValues(values map[string]any, path string) (repository, digest string) {
	at := values
	for _, key := range strings.Split(path, ".") {
		at, _ = at[key].(map[string]any)
	}
	repository, _ = at["repository"].(string)
	digest, _ = at["digest"].(string)
	return repository, digest
}

// imagesOf lists the images of a record's objects and hooks, each once.
func imagesOf(stored *helmrelease.Release) []string {
	return manifest.Images(stored.Manifest + "\n" + hooksOf(stored))
}

// imagePaths are the mappings of a chart's values that look like an image, with the
// subcharts' own, and without the one that is set.
func imagePaths(values map[string]any, set string) []string {
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
