package release

import (
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// hooksOf is the manifest of a record's hooks.
func hooksOf(record *helmrelease.Release) string {
	var b strings.Builder
	for _, hook := range record.Hooks {
		b.WriteString("---\n" + strings.TrimSuffix(hook.Manifest, "\n") + "\n")
	}
	return b.String()
}

// imagesOf lists the images of a record's objects and hooks, each once.
func imagesOf(stored *helmrelease.Release) []string {
	return manifest.Images(stored.Manifest + "\n" + hooksOf(stored))
}
