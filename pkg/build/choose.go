package build

import (
	"fmt"
	"os"
	"path/filepath"
)

// choose decides between the builders and says why.
func choose(o Options) (builder, reason string) {
	if o.Builder != BuilderAuto {
		return o.Builder, "it was asked for"
	}
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(o.Source, filepath.FromSlash(name)))
		return err == nil
	}
	if o.Dockerfile.File != "" {
		return BuilderDockerfile, fmt.Sprintf("Dockerfile %s was named", o.Dockerfile.File)
	}
	isWorkspace := has("package.json") && has(backend)
	switch {
	case isWorkspace && has("Dockerfile"):
		return BuilderLayers, "the source is a Backstage workspace; its Dockerfile is not used, ask for builder dockerfile where it does more than the layers have"
	case isWorkspace || !has("Dockerfile"):
		// Without either the layers builder says what is missing.
		return BuilderLayers, "the source is a Backstage workspace, whose dependencies need not be built again"
	}
	return BuilderDockerfile, "the source has a Dockerfile and is no Backstage workspace"
}
