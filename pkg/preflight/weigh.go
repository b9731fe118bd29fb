package preflight

import (
	"log/slog"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Weigh warns of the concerns that do not block and refuses for the rest, all at
// once.
func Weigh(log *slog.Logger, concerns []record.Concern) error {
	var blocking []string
	for _, c := range concerns {
		if c.Blocks {
			blocking = append(blocking, c.String())
			continue
		}
		log.Warn(c.String())
	}
	if len(blocking) == 0 {
		return nil
	}
	return record.Refused("deploy/preflight", "the deploy would fail:\n%s\nnothing was changed", strings.Join(blocking, "\n"))
}
