//go:build !goexperiment.jsonv2 || notrivy

package scan

import (
	"context"
	"io"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// inventory is nothing here.
type inventory struct{}

func run(_ context.Context, o Options) (Result, error) { return Result{}, notBuiltIn(o.Image) }

// CheckInputs looks at nothing here.
func (o Options) CheckInputs() error { return nil }

func (r Result) document(context.Context, io.Writer, Format) error { return notBuiltIn(r.Report.Image) }

func notBuiltIn(image record.Image) error {
	return record.Unavailable("scan/not-built-in",
		"scanning image %q: this stagecrew was built without its scanner, because Trivy needs Go's json experiment; build it with GOEXPERIMENT=jsonv2 go build ./cmd/stagecrew", image)
}
