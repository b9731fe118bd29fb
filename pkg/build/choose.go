package build

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// choose decides between the builders and says why.
func choose(o Options) (builder record.Builder, reason string) {
	if o.Builder != record.BuilderAuto {
		return o.Builder, "it was asked for"
	}
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(o.Source, filepath.FromSlash(name)))
		return err == nil
	}
	if o.Dockerfile.File != "" {
		return record.BuilderDockerfile, fmt.Sprintf("Dockerfile %s was named", o.Dockerfile.File)
	}
	isWorkspace := has("package.json") && has(backstage.Backend)
	switch {
	case isWorkspace && has("Dockerfile"):
		return record.BuilderLayers, "the source is a Backstage workspace; its Dockerfile is not used, ask for builder dockerfile where it does more than the layers have"
	case isWorkspace || !has("Dockerfile"):
		// Without either the layers builder says what is missing.
		return record.BuilderLayers, "the source is a Backstage workspace, whose dependencies need not be built again"
	}
	return record.BuilderDockerfile, "the source has a Dockerfile and is no Backstage workspace"
}
