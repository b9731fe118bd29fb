package release

import (
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// images lists the images of a manifest's objects, each once.
func images(manifest string) []string {
	images := []string{}
	objects, _ := documents(manifest) //nolint:errcheck // what cannot be read runs nothing
	for _, object := range objects {
		for _, container := range record.Containers(object.Object) {
			images = append(images, container.Image)
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// runsImage reports whether an object of a manifest has the image by its digest.
func runsImage(manifest, repository, digest string) bool {
	for _, text := range split(manifest) {
		// Reading YAML is slow, and a history may have twenty large manifests.
		if !strings.Contains(text, digest) {
			continue
		}
		objects, _ := documents(text) //nolint:errcheck // what cannot be read runs nothing
		for _, object := range objects {
			if runs(object.Object, repository, digest) {
				return true
			}
		}
	}
	return false
}

// runs reports whether a field "image", at any depth, is this image; custom
// resources have it in other places than pods. A tag before the digest is only
// for the eye.
func runs(value any, repository, digest string) bool {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			name, found := strings.CutSuffix(text(inner), "@"+digest)
			if k == "image" && found && (name == repository || isTagOf(name, repository)) {
				return true
			}
			if runs(inner, repository, digest) {
				return true
			}
		}
	case []any:
		for _, inner := range v {
			if runs(inner, repository, digest) {
				return true
			}
		}
	}
	return false
}

func isTagOf(name, repository string) bool {
	tag, found := strings.CutPrefix(name, repository+":")
	return found && !strings.Contains(tag, "/")
}

func text(value any) string {
	s, _ := value.(string)
	return s
}
