package site

import (
	"context"
	"log/slog"

	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release"
)

// Ask looks for what would make a deploy of the image fail.
func (s Site) Ask(ctx context.Context, log *slog.Logger, g Gate, asked record.Image) ([]record.Concern, error) {
	cluster, r, err := s.Connect()
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
	databases := s.databases(cluster)
	databases.Log = log
	if asked.IsBuilt() {
		plan.Migrations = s.foresee(ctx, r, databases, plan)
	}
	plan.Concerns = append(plan.Concerns, s.demands(ctx, databases, r, plan.Migrations)...)
	return strict.Check(ctx, plan)
}

// foresee compares the live image with that of a plan, and puts the result on the record.
func (s Site) foresee(ctx context.Context, r *release.Release, d databases, plan record.Plan) *record.Migrations {
	history, err := r.History(ctx)
	live, found := revisions.Live(history)
	if err != nil || !found || live.Image == "" {
		return nil // the checks tell of a history that may not be read
	}
	m := d.Foresee(ctx, live.Image, plan.Image.String(), plan)
	s.host.Update(func(r *record.Record) { r.Migrations = m })
	return m
}
