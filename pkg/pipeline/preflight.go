package pipeline

import (
	"context"
	"errors"
	"log/slog"

	"github.com/stagecrew/stagecrew/pkg/pipeline/site"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// preflightStage asks the cluster whether it would take the image. Before that is
// built it asks for the same repository, which may be the only one that policies of
// the cluster allow, and looks for no image.
func preflightStage(s *slice) (func(context.Context, inputs) ([]record.Concern, error), error) {
	asked, imageErr := s.image()
	at, g, err := s.judging()
	if err := errors.Join(imageErr, err, site.CheckDumps(s.settings)); err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ inputs) (found []record.Concern, err error) {
		if asked.IsBuilt() {
			s.host.Ledger.Update(func(r *record.Record) { r.Release = &record.Release{Name: at.Release, Namespace: at.Namespace} })
		}
		err = s.phaseBeside("preflight", func(log *slog.Logger) error {
			found, err = at.Ask(ctx, log, g, asked)
			s.host.Ledger.Update(func(r *record.Record) { r.Concerns = found })
			return err
		})
		return found, err
	}, nil
}
