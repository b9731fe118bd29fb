package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/scan/limits"
)

// Scan is [Run] for who wants the decision only.
func Scan(ctx context.Context, o Options) (record.ScanReport, error) {
	result, err := Run(ctx, o)
	return result.Report, err
}

// Run reads the image, fetches the database meanwhile, compares them and decides.
// Findings are not an error: [Refuse] turns a report into one. Whatever keeps the scan
// from being complete is an error of [record.KindUnavailable], never a clean report: a
// database that is missing, empty, broken or too old, an image that cannot be read
// or in which no package was recognised.
//
// Scans in one process take turns with Trivy's engine, because Trivy keeps its
// database and logger in variables of the process; while it works,
// [log/slog.Default] goes to o.Log.
//
// Trivy looks at no context while it parses a file. A scan whose time is up, or that
// takes more memory than it may, is left behind when it does not end by itself: its
// process should end soon, and other scans in it have to wait.
func Run(ctx context.Context, o Options) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	limited, cancel := retry.Limited(ctx, o.Timeout)
	defer cancel()
	result, err := limits.Within(limited, cmp.Or(o.memory, limits.Memory()), func() (Result, error) { return run(limited, o) })
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, limits.ErrMemory):
		return Result{}, record.Unavailable("scan/too-much-memory", "scanning image %q: %w; its files, or the database, blow up the scanner: look at what is in them", o.Image, err)
	case ctx.Err() != nil:
		return Result{}, fmt.Errorf("scanning image %q: %w", o.Image, context.Cause(ctx))
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return Result{}, record.Unavailable("scan/timeout", "scanning image %q: not done after %s: %w; give it more time with --scan-timeout", o.Image, o.Timeout, err)
	default:
		return Result{}, err
	}
}
