//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	trivyos "github.com/aquasecurity/trivy/pkg/x/os"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan/trivylog"
)

// turn is the right to use what Trivy keeps in variables of the process.
type turn struct {
	// swept: an earlier scan removed Trivy's temporary directory.
	swept bool
}

// engine holds the one turn while no scan runs.
var engine = newEngine()

func newEngine() chan turn {
	e := make(chan turn, 1)
	e <- turn{}
	return e
}

// inTurn takes the turn for work with Trivy's engine.
func (s session) inTurn(ctx context.Context, work func() error) error {
	var mine turn
	select {
	case mine = <-engine:
	case <-ctx.Done():
		return fmt.Errorf("waiting for another scan: %w", ctx.Err())
	}
	defer func() { engine <- mine }()
	defer trivylog.Redirect(s.log, s.missed)()
	if err := mine.prepare(); err != nil {
		return record.Unavailable("scan/engine-failed", "making a temporary directory: %w", err)
	}
	defer mine.sweep(s.log)
	return work()
}

// prepare makes Trivy's temporary directory again, which Trivy itself does only once
// in a process. It must not exist: another process could have taken the name.
func (t turn) prepare() error {
	dir := trivyos.TempDir()
	if !t.swept {
		return nil
	}
	return os.Mkdir(dir, 0o700)
}

func (t *turn) sweep(log *slog.Logger) {
	t.swept = true
	if err := trivyos.Cleanup(); err != nil {
		log.Warn("removing the scanner's temporary files", "error", err)
	}
}
