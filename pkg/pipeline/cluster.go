package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/database/dump"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/migrations/images"
	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/rollout"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// site is where the release is, and how one gets at it. Its options lack only the
// cluster, of which each connection makes fresh clients.
type site struct {
	host      Host
	namespace string
	cluster   kube.Options
	release   release.Options
	rollout   rollout.Options
	preflight preflight.Options
	gate      func() (gate, error)
	// comparison is how the images of two revisions are compared.
	comparison images.Options
	// databaseEnv are names of variables, see [database.Options].
	databaseEnv []string
	// onMigrated is the policy about migrations that are in.
	onMigrated record.MigratedPolicy
	// dumps lack the release and its cluster.
	dumps dump.Options
}

// site asks nothing of the cluster yet.
func (s *slice) site() (site, error) { return s.kept.site.of(s.readSite) }

func (s *slice) readSite() (site, error) {
	c, secrets := s.settings.Cluster, s.host.Secrets
	if c.Release == "" {
		return site{}, record.BadInput("config/no-release", "--release: the name of the Helm release is missing")
	}
	place := kube.Options{Kubeconfig: c.Kubeconfig, Context: c.KubeContext, Namespace: c.Namespace, Patience: c.APIPatience, Log: s.host.Log}
	namespace, err := kube.Namespace(place)
	// Images of others are looked at without the credentials for this one.
	others := registry.Access{Insecure: s.settings.InsecureRegistries}
	at := site{
		host: s.host, cluster: place, namespace: namespace, gate: s.gate,
		comparison: s.comparison(), databaseEnv: s.settings.DatabaseEnv, onMigrated: s.settings.OnMigrated, dumps: dumpsOf(s.settings.Dumps),
		release: release.Options{
			Name:            c.Release,
			Chart:           s.settings.Chart,
			Charts:          s.charts,
			Values:          s.settings.Values,
			Set:             s.settings.Set,
			ImageValuesPath: c.ImageValuesPath,
			HistoryMax:      s.settings.HistoryMax,
			Driver:          s.host.Getenv("HELM_DRIVER"),
			VerdictKey:      s.settings.VerdictKey,
			Reason:          s.settings.Reason,
			Withhold:        secrets.Withhold,
			Suspect:         secrets.Suspect,
			Named:           secrets.Names,
			Public:          secrets.Public,
			Unread:          secrets.Unread,
			Log:             s.host.Log,
		},
		rollout: rollout.Options{
			ImageExists: func(ctx context.Context, reference string) bool {
				_, err := others.Platforms(ctx, reference, nil)
				return err == nil
			},
			SmokeServices: s.settings.SmokeServices, Show: s.host.Console.ShowPods, Log: s.host.Log,
		},
		preflight: preflight.Options{
			Release: c.Release, Timeout: s.settings.Timeout, RollbackTimeout: s.settings.RollbackTimeout, Images: others,
			SmokeServices: s.settings.SmokeServices, ImageValuesPath: c.ImageValuesPath,
			RequireDigests: s.settings.RequireDigests, RequireSafeRollback: s.settings.RequireSafeRollback, AllowDelete: s.settings.AllowDelete, Log: s.host.Log,
		},
	}
	return at, errors.Join(err, at.release.Check(), at.comparison.Check())
}

// inputs is what is wrong with the chart and the values, where a stage renders them.
func (s *slice) inputs() error {
	_, err := s.kept.inputs.of(func() (done, error) { return done{}, s.checkInputs() })
	return err
}

func (s *slice) checkInputs() error {
	if s.makes(concerns) || s.makes(deployed) {
		return release.Options{Chart: s.settings.Chart, Values: s.settings.Values, Set: s.settings.Set, Charts: s.charts, Log: s.host.Log}.CheckInputs()
	}
	return nil
}

// judging is where a release is and how it is judged.
func (s *slice) judging() (site, gate, error) {
	at, siteErr := s.site()
	g, gateErr := s.gate()
	return at, g, errors.Join(siteErr, s.inputs(), gateErr)
}

// connect makes fresh clients of the cluster and the release.
func (s site) connect() (*kube.Cluster, *release.Release, error) {
	cluster, err := kube.Connect(s.cluster)
	if err != nil {
		return nil, nil, err
	}
	s.host.Secrets.Public(cluster.Namespace)
	s.host.Secrets.Withhold(cluster.Config.BearerToken, cluster.Config.Password, string(cluster.Config.KeyData))
	options := s.release
	options.Cluster, options.Namespace = cluster, cluster.Namespace
	var r *release.Release
	options.Watch = func(ctx context.Context, applied record.Applied) (record.Rollout, error) {
		g, err := s.gate()
		if err != nil {
			return record.Rollout{}, err
		}
		return s.watcher(cluster, r, g).Watch(ctx, applied)
	}
	r, err = release.Open(options)
	return cluster, r, err
}

func (s site) watcher(cluster *kube.Cluster, r *release.Release, g gate) watcher {
	options := s.rollout
	options.Client, options.Namespace, options.Seen = cluster.Client, cluster.Namespace, &judge.Seen{}
	options.Rules, options.LogPatterns, options.PassingPatterns = g.rules, g.logPatterns, g.passing
	return watcher{options, s.host.Console.ClearPods, r}
}

func (s site) checker(cluster *kube.Cluster, g gate) checker {
	options := s.preflight
	options.Client, options.Namespace, options.Forwarding = cluster.Client, cluster.Namespace, g.suite != nil
	return checker{Options: options, comparison: s.comparison}
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

func (w watcher) Hold(ctx context.Context, applied record.Applied, d time.Duration) (*record.Cause, []string, error) {
	defer w.learning(ctx)()
	cause, notes, err := rollout.Hold(ctx, w.Options, applied, d)
	if err != nil || cause != nil {
		w.Relearn(ctx)
	}
	return cause, notes, err
}

func (w watcher) Collect(ctx context.Context, applied record.Applied, cause record.Cause) record.Evidence {
	known := rollout.Collect(ctx, w.Options, applied, cause)
	w.Relearn(ctx)
	return known
}

// checker gives the preflight package the form that deploy wants.
type checker struct {
	preflight.Options
	comparison images.Options
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
