package manifest

import (
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Images lists the images of a manifest's objects, each once.
func Images(manifest string) []string {
	images := []string{}
	objects, _ := Objects(manifest) // what cannot be read runs nothing
	for _, object := range objects {
		for _, container := range record.Containers(object.Object) {
			images = append(images, container.Image)
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// RunsImage reports whether an object of a manifest has the image by its digest.
func RunsImage(manifest, repository, digest string) bool {
	for _, text := range Split(manifest) {
		// Reading YAML is slow, and a history may have twenty large manifests.
		if !strings.Contains(text, digest) {
			continue
		}
		objects, _ := Objects(text) // what cannot be read runs nothing
		for _, object := range objects {
			if Runs(object.Object, repository, digest) {
				return true
			}
		}
	}
	return false
}

// Runs reports whether a field "image", at any depth, is this image; custom
// resources have it in other places than pods. A tag before the digest is only
// for the eye.
func Runs(value any, repository, digest string) bool {
	switch v := value.(type) {
	case map[string]any:
		for k, inner := range v {
			name, found := strings.CutSuffix(text(inner), "@"+digest)
			if k == "image" && found && (name == repository || isTagOf(name, repository)) {
				return true
			}
			if Runs(inner, repository, digest) {
				return true
			}
		}
	case []any:
		for _, inner := range v {
			if Runs(inner, repository, digest) {
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
