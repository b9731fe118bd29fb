package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release"
)

// preflightStage asks the cluster whether it would take the image. Before that is
// built it asks for the same repository, which may be the only one that policies of
// the cluster allow, and looks for no image.
func preflightStage(s *slice) (func(context.Context, inputs) ([]record.Concern, error), error) {
	asked, imageErr := s.image()
	at, g, err := s.judging()
	if err := errors.Join(imageErr, err, checkDumps(s.settings)); err != nil {
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
	if asked.IsBuilt() {
		plan.Migrations = s.foresee(ctx, r, strict, plan)
	}
	plan.Concerns = append(plan.Concerns, s.demands(ctx, cluster, r, plan.Migrations)...)
	return strict.Check(ctx, plan)
}

// foresee compares the live image with that of a plan, and puts the result on the record.
func (s site) foresee(ctx context.Context, r *release.Release, strict checker, plan record.Plan) *record.Migrations {
	history, err := r.History(ctx)
	live, found := revisions.Live(history)
	if err != nil || !found || live.Image == "" {
		return nil // the checks tell of a history that may not be read
	}
	m := strict.Foresee(ctx, live.Image, plan.Image.String(), plan)
	s.host.Ledger.Update(func(r *record.Record) { r.Migrations = m })
	return m
}

// newConcerns are those of found that were not told; what blocks is always told.
func newConcerns(found, told []record.Concern) []record.Concern {
	return slices.DeleteFunc(slices.Clone(found), func(c record.Concern) bool { return !c.Blocks && slices.Contains(told, c) })
}
