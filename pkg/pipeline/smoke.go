package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// smokeStage sends the checks to what is live, or to the public URL alone.
func smokeStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	g, err := s.gate()
	if err != nil {
		return nil, err
	}
	switch {
	case !g.Asks():
		return nil, record.BadInput("config/smoke", "--smoke none: there is nothing to send")
	case s.settings.Release == "" && s.settings.PublicURL == "":
		return nil, record.BadInput("config/no-target", "give --release for the pods and Services of a release, or --public-url")
	}
	p := g.Prober(s.settings.PublicURL, s.host.ofSite())
	find := func(context.Context) (to deploy.Targets, without string, err error) { return to, "", nil }
	if s.settings.Release != "" {
		at, err := s.site()
		if err != nil {
			return nil, err
		}
		find = func(ctx context.Context) (deploy.Targets, string, error) { return at.Targets(ctx, g, &p) }
	}
	return func(ctx context.Context, _ inputs) (done, error) {
		to, without, err := find(ctx)
		if err != nil {
			return done{}, err
		}
		return done{}, s.phase("smoke", func() error {
			found, err := p.Probe(ctx, to)
			s.host.Ledger.Update(func(r *record.Record) { r.Checks = found })
			if err != nil {
				return err
			}
			return answer(found, without)
		})
	}, nil
}

// answer makes of the checks what the command says: one that failed refuses, one
// that told nothing leaves the question open.
func answer(checks []record.Check, without string) error {
	if len(checks) == 0 {
		return record.Unavailable("smoke/not-proven", "there was nothing to send the checks to: %s", without)
	}
	for _, c := range checks {
		if c.Result == record.CheckFailed {
			return record.Refused("smoke/check-failed", "%s on %s: %s", c.Name, c.Target, c.Detail)
		}
	}
	for _, c := range checks {
		if c.Result != record.CheckPassed {
			return record.Unavailable("smoke/not-proven", "%s on %s: %s", c.Name, c.Target, c.Detail)
		}
	}
	return nil
}
