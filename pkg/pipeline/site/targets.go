package site

import (
	"context"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// findTime bounds the look for the pods of a release whose rollout is not complete.
const findTime = 10 * time.Second

// Targets are the pods and Services of the live revision, to which the prober gets the
// way; without says why there are none.
func (s Site) Targets(ctx context.Context, g Gate, p *Prober) (to deploy.Targets, without string, err error) {
	cluster, r, err := s.Connect()
	if err != nil {
		return to, "", err
	}
	p.cluster = cluster
	history, err := r.History(ctx)
	if err != nil {
		return to, "", err
	}
	if len(history) == 0 {
		return to, "", deploy.NoRelease(s.Release, s.Namespace)
	}
	applied, err := r.Describe(ctx, history[0].Number)
	if err != nil {
		return to, "", err
	}
	s.host.Update(func(r *record.Record) {
		r.Release = &record.Release{Name: s.Release, Namespace: s.Namespace, Live: history[0].Number}
	})
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	rolled, err := s.watcher(cluster, r, g).Watch(ctx, applied)
	if err == nil && rolled.Cause != nil {
		s.host.Log.Warn("the rollout is not complete; the checks go through the Services only", "cause", rolled.Cause.String())
	}
	return deploy.Targets{Pods: rolled.Pods, Services: rolled.Services}, untargeted(rolled), err
}

// untargeted says why a rollout has nothing to send checks to.
func untargeted(rolled record.Rollout) string {
	switch {
	case rolled.Cause != nil:
		return rolled.Cause.String()
	case rolled.Idle:
		return "it wants no pods"
	case len(rolled.Unproven) > 0:
		return strings.Join(rolled.Unproven, "; ")
	}
	return "no pod with an HTTP port runs the image, and no Service leads to one; --smoke-service names one"
}
