package pipeline

import (
	"context"
	"log/slog"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/validate"
)

// validateStage looks at the image as a strict cluster would.
func validateStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	access := s.images()
	return func(ctx context.Context, in inputs) (done, error) {
		return done{}, s.phase("validate", func() error {
			found, err := validate.Image(ctx, access, image.of(in))
			s.host.Ledger.Update(func(r *record.Record) { r.Checks = found })
			if err != nil {
				return err
			}
			return allPassed(ctx, s.host.Log, image.of(in), found)
		})
	}, nil
}

func allPassed(ctx context.Context, log *slog.Logger, looked record.Image, found []record.Check) error {
	var failed []string
	for _, c := range found {
		level := slog.LevelInfo
		if c.Result != record.CheckPassed {
			level = slog.LevelWarn
		}
		log.Log(ctx, level, string(c.Result), "check", c.Name, "platform", c.Target, "detail", c.Detail)
		if c.Result == record.CheckFailed {
			failed = append(failed, c.Name)
		}
	}
	if len(failed) > 0 {
		return record.Refused("build/not-valid", "image %q fails the checks %s", looked, strings.Join(failed, ", "))
	}
	return nil
}
