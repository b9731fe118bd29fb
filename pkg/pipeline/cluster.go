package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/rollout"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// place is where the release is.
type place struct {
	cluster   kube.Options
	release   string
	namespace string
}

// readPlace asks nothing of the cluster yet.
func (s *slice) readPlace() (place, error) {
	c := s.settings.Cluster
	p := place{release: c.Release, cluster: kube.Options{
		Kubeconfig: c.Kubeconfig, Context: c.KubeContext, Namespace: c.Namespace, Patience: c.APIPatience, Log: s.host.Log,
	}}
	if p.release == "" {
		return p, record.BadInput("config/no-release", "--release: the name of the Helm release is missing")
	}
	namespace, err := kube.Namespace(p.cluster)
	p.namespace = namespace
	return p, err
}

// chartMissing is an error where a stage renders a chart and none is given.
func (s *slice) chartMissing() error {
	if s.makes(concerns) || s.makes(deployed) {
		return release.CheckChart(s.settings.Chart)
	}
	return nil
}

// judging is where a release is and how it is judged.
func (s *slice) judging() (place, gate, error) {
	p, placeErr := s.place()
	g, gateErr := s.gate()
	return p, g, errors.Join(placeErr, s.chartMissing(), gateErr)
}

// connect makes fresh clients of the cluster and the release.
func (s *slice) connect(p place) (*kube.Cluster, *release.Release, error) {
	cluster, err := kube.Connect(p.cluster)
	if err != nil {
		return nil, nil, err
	}
	s.host.Secrets.Public(cluster.Namespace)
	s.host.Secrets.Withhold(cluster.Config.BearerToken, cluster.Config.Password, string(cluster.Config.KeyData))
	var r *release.Release
	r, err = release.Open(release.Options{
		Cluster:         cluster,
		Namespace:       cluster.Namespace,
		Name:            p.release,
		Chart:           s.settings.Chart,
		Charts:          &s.charts,
		Values:          s.settings.Values,
		Set:             s.settings.Set,
		ImageValuesPath: s.settings.ImageValuesPath,
		HistoryMax:      s.settings.HistoryMax,
		VerdictKey:      s.settings.VerdictKey,
		Reason:          s.settings.Reason,
		Watch: func(ctx context.Context, applied record.Applied) (record.Rollout, error) {
			g, err := s.gate()
			if err != nil {
				return record.Rollout{}, err
			}
			return s.watcher(cluster, r, g).Watch(ctx, applied)
		},
		Withhold: s.host.Secrets.Withhold,
		Suspect:  s.host.Secrets.Suspect,
		Named:    s.host.Secrets.Names,
		Public:   s.host.Secrets.Public,
		Unread:   s.host.Secrets.Unread,
		Log:      s.host.Log,
	})
	return cluster, r, err
}

func (s *slice) watcher(cluster *kube.Cluster, r *release.Release, g gate) watcher {
	return watcher{rollout.Options{
		Client: cluster.Client, Namespace: cluster.Namespace, Rules: g.rules, ImageExists: s.imageExists,
		LogPatterns: g.logPatterns, PassingPatterns: g.passing, SmokeServices: s.settings.SmokeServices, Seen: &judge.Seen{},
		Show: s.host.Console.ShowPods, Log: s.host.Log,
	}, s.host.Console.ClearPods, r}
}

// imageExists reports whether the registry has an image by now that a node missed.
func (s *slice) imageExists(ctx context.Context, reference string) bool {
	_, err := s.lookedUp().Platforms(ctx, reference, nil)
	return err == nil
}

// watcher gives the rollout package the form that deploy wants.
type watcher struct {
	rollout.Options
	clear func() // takes the pods from the screen
	secrets
}

// secrets learns those that pods will get and that were not there yet.
// Relearn reads those again that may have changed, before it is told why pods failed.
type secrets interface {
	Learn(ctx context.Context)
	Relearn(ctx context.Context)
}

// learnEvery is more often than a kubelet tries again to start a container whose
// Secret was missing.
const learnEvery = 2 * time.Second

// learning looks for Secrets while pods are watched; stop ends it.
func (w watcher) learning(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		for tick := time.NewTicker(learnEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				if err := record.Guard(func() error { w.Learn(ctx); return nil }); err != nil {
					w.Log.Warn("looking for Secrets while pods are watched", "error", err)
				}
			}
		}
	})
	return func() {
		cancel()
		ended.Wait()
	}
}

func (w watcher) Watch(ctx context.Context, applied record.Applied) (record.Rollout, error) {
	defer w.learning(ctx)()
	defer w.clear() // what follows is not about pods
	result, err := rollout.Watch(ctx, w.Options, applied)
	if err != nil || result.Cause != nil {
		w.Relearn(ctx)
	}
	return result, err
}

func (w watcher) Hold(ctx context.Context, applied record.Applied, d time.Duration) (*record.Cause, error) {
	defer w.learning(ctx)()
	cause, err := rollout.Hold(ctx, w.Options, applied, d)
	if err != nil || cause != nil {
		w.Relearn(ctx)
	}
	return cause, err
}

func (w watcher) Collect(ctx context.Context, applied record.Applied, cause record.Cause) record.Evidence {
	known := rollout.Collect(ctx, w.Options, applied, cause)
	w.Relearn(ctx)
	return known
}

// checker gives the preflight package the form that deploy wants.
type checker struct {
	preflight.Options
	// told are concerns that the run has warned of already; they are left out.
	told []record.Concern
}

func (c checker) Check(ctx context.Context, plan record.Plan) ([]record.Concern, error) {
	found, err := preflight.Check(ctx, c.Options, plan)
	if err != nil {
		return nil, err
	}
	found = newConcerns(found, c.told)
	return found, preflight.Weigh(c.Log, found)
}

func (s *slice) checker(cluster *kube.Cluster, g gate) checker {
	return checker{Options: preflight.Options{
		Client: cluster.Client, Namespace: cluster.Namespace, Release: s.settings.Release,
		Timeout: s.settings.Timeout, RollbackTimeout: s.settings.RollbackTimeout, Images: s.lookedUp(), Forwarding: g.suite != nil,
		SmokeServices: s.settings.SmokeServices, Log: s.host.Log,
		ImageValuesPath: s.settings.ImageValuesPath, RequireDigests: s.settings.RequireDigests, AllowDelete: s.settings.AllowDelete,
	}}
}
