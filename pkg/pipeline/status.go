package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/rollout"
)

// statusStage shows the revisions of the release.
func statusStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	at, err := s.site()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, _ inputs) (done, error) {
		cluster, r, err := at.Connect()
		if err != nil {
			return done{}, err
		}
		history, err := r.History(ctx)
		if err != nil {
			return done{}, err
		}
		named := record.Release{Name: at.Release, Namespace: at.Namespace}
		s.host.Ledger.Update(func(r *record.Record) { serving(r, named, history) })
		if len(history) == 0 {
			return done{}, deploy.NoRelease(at.Release, at.Namespace)
		}
		s.tellEvicted(ctx, r, rollout.Options{Client: cluster.Client, Namespace: cluster.Namespace}, history)
		return done{}, s.host.Results.Revisions(named, history)
	}, nil
}

// tellEvicted warns of pods of what is live that their nodes have ended. Who may not read
// pods is told nothing.
func (s *slice) tellEvicted(ctx context.Context, r *release.Release, o rollout.Options, history []record.Revision) {
	live, found := revisions.Live(history)
	if !found {
		return
	}
	applied, err := r.Describe(ctx, live.Number)
	if err != nil {
		s.host.Log.Debug("looking for pods that have ended", "error", err)
		return
	}
	var concerns []record.Concern
	for _, failed := range rollout.FailedPods(ctx, o, applied) {
		if c, found := preflight.Evicted(failed.Workload.String(), failed.Pods); found {
			s.host.Log.Warn(c.String())
			concerns = append(concerns, c)
		}
	}
	s.host.Ledger.Update(func(r *record.Record) { r.Concerns = concerns })
}

// serving notes what is live, such as for a plan of a pull request, which has no image of
// its own yet.
func serving(r *record.Record, named record.Release, history []record.Revision) {
	r.Release = &named
	live, found := revisions.Live(history)
	if !found {
		return
	}
	named.Live, named.LiveImage = live.Number, live.Image
	if image, err := record.ParseImage(live.Image); err == nil {
		r.Image = image
	}
}
