package scan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// timeout ends a scan that hangs; a large image on a slow line takes minutes.
const timeout = 30 * time.Minute

// Scan pulls the image and the database, compares them and decides. Findings are
// not an error: [Refuse] turns a report into one. Whatever keeps the scan from being
// complete is an error of [pipeline.KindUnavailable], never a clean report: a
// database that is missing, empty, broken or too old, an image that cannot be read
// or in which no package was recognised.
//
// One scan runs at a time in a process, others wait for it, because Trivy keeps
// its database and logger in variables of the process; for that time
// [log/slog.Default] goes to o.Log.
func Scan(ctx context.Context, o Options) (pipeline.ScanReport, error) {
	if err := o.Validate(); err != nil {
		return pipeline.ScanReport{}, err
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	report, err := run(limited, o)
	switch {
	case err == nil:
		return report, nil
	case ctx.Err() != nil:
		return pipeline.ScanReport{}, fmt.Errorf("scanning image %q: %w", o.Image, context.Cause(ctx))
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return pipeline.ScanReport{}, pipeline.Unavailable("scan/timeout", "scanning image %q: not done after %s: %w", o.Image, timeout, err)
	default:
		return pipeline.ScanReport{}, err
	}
}
