//go:build !goexperiment.jsonv2

package scan

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

func run(_ context.Context, o Options) (pipeline.ScanReport, error) {
	return pipeline.ScanReport{}, pipeline.Unavailable("scan/not-built-in",
		"scanning image %q: this stagecrew was built without its scanner, because Trivy needs Go's json experiment; build it with GOEXPERIMENT=jsonv2 go build ./cmd/stagecrew", o.Image)
}
