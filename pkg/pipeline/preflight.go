package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// preflightStage asks the cluster whether it would take the image. Before that is
// built it asks for the same repository, which may be the only one that policies of
// the cluster allow, and looks for no image.
func preflightStage(s *slice) (func(context.Context, inputs) ([]record.Concern, error), error) {
	asked, imageErr := s.image()
	at, g, err := s.judging()
	if err := errors.Join(imageErr, err); err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ inputs) (found []record.Concern, err error) {
		if asked.IsBuilt() {
			s.host.Ledger.Update(func(r *record.Record) { r.Release = &record.Release{Name: at.release.Name, Namespace: at.namespace} })
		}
		err = s.phaseBeside("preflight", func(log *slog.Logger) error {
			found, err = at.ask(ctx, log, g, asked)
			s.host.Ledger.Update(func(r *record.Record) { r.Concerns = found })
			return err
		})
		return found, err
	}, nil
}

// ask looks for what would make a deploy of the image fail.
func (s site) ask(ctx context.Context, log *slog.Logger, g gate, asked record.Image) ([]record.Concern, error) {
	cluster, r, err := s.connect() //nolint:contextcheck // Secrets are learned also when the run is cancelled
	if err != nil {
		return nil, err
	}
	plan, err := r.Plan(ctx, asked)
	if err != nil {
		return nil, err
	}
	strict := s.checker(cluster, g)
	strict.Log, strict.ImagesBlock = log, asked.IsBuilt()
	if !asked.IsBuilt() {
		strict.Images = nil
	}
	return strict.Check(ctx, plan)
}

// newConcerns are those of found that were not told; what blocks is always told.
func newConcerns(found, told []record.Concern) []record.Concern {
	return slices.DeleteFunc(slices.Clone(found), func(c record.Concern) bool { return !c.Blocks && slices.Contains(told, c) })
}
