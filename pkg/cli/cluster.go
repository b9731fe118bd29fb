package cli

import (
	"context"
	"os"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/lease"
	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/rollout"
	"github.com/stagecrew/stagecrew/pkg/smoke"
)

// gate is how a revision is judged, read from the settings.
type gate struct {
	suite       *smoke.Suite // nil for none
	secrets     []string     // credentials in it
	rules       map[string]rollout.Rule
	logPatterns []string
	passing     []string
}

// readGate is for newSession: the settings are read once, and warned of once.
func (s *session) readGate() (gate, error) {
	var g gate
	err := s.publicURL()
	if err != nil {
		return g, err
	}
	if g.rules, err = rollout.ParseRules(s.RolloutRules); err != nil {
		return g, err
	}
	patterns := s.LogPatterns
	if len(patterns) == 0 {
		patterns = []string{config.SmokeBackstage}
	}
	for _, pattern := range patterns {
		if pattern != config.SmokeBackstage {
			g.logPatterns = append(g.logPatterns, pattern)
			continue
		}
		g.logPatterns = append(g.logPatterns, backstage.LogPatterns()...)
		g.passing = backstage.PassingPatterns()
	}
	if _, err = rollout.ParsePatterns(g.logPatterns); err != nil {
		return g, err
	}
	g.suite, g.secrets, err = s.suite()
	return g, err
}

// suite reads the smoke checks that --smoke names, nil for none, and the
// credentials in them.
func (s *session) suite() (*smoke.Suite, []string, error) {
	var text []byte
	switch s.Smoke {
	case config.SmokeNone:
		s.log.Warn("no smoke checks: ready pods count as proof")
		return nil, nil, nil
	case config.SmokeBackstage:
		text = backstage.SmokeYAML()
	default:
		var err error
		if text, err = os.ReadFile(s.Smoke); err != nil {
			return nil, nil, record.BadInput("config/smoke", "--smoke: %w; give a file of checks, backstage or none", err)
		}
	}
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, nil, record.BadInput("config/smoke", "reading smoke checks %s: %w", s.Smoke, err)
	}
	suite, err := smoke.Parse(document)
	if err != nil {
		return nil, nil, record.BadInput("config/smoke", "reading smoke checks %s: %w", s.Smoke, err)
	}
	// Credentials of the checks come by the environment: "Bearer ${SMOKE_TOKEN}".
	var secrets []string
	suite, err = suite.Expand(func(name string) (string, bool) {
		value := s.getenv(name)
		if value != "" {
			s.withhold(value)
			secrets = append(secrets, value)
		}
		return value, value != ""
	})
	if err != nil {
		return nil, nil, record.BadInput("config/smoke", "reading smoke checks %s: %w", s.Smoke, err)
	}
	return &suite, secrets, nil
}

// place is the cluster and the namespace of the release.
func (s *session) place() kube.Options {
	return kube.Options{Kubeconfig: s.Kubeconfig, Context: s.KubeContext, Namespace: s.Namespace, Patience: s.APIPatience, Log: s.log}
}

// openRelease connects to the cluster and opens the release.
func (s *session) openRelease() (*kube.Cluster, *release.Release, error) {
	if err := s.needsRelease(); err != nil {
		return nil, nil, err
	}
	cluster, err := kube.Connect(s.place())
	if err != nil {
		return nil, nil, err
	}
	s.redactor.Public(cluster.Namespace)
	s.withhold(cluster.Config.BearerToken, cluster.Config.Password, string(cluster.Config.KeyData))
	var r *release.Release
	r, err = release.Open(release.Options{
		Cluster:         cluster,
		Namespace:       cluster.Namespace,
		Name:            s.Release,
		Chart:           s.Chart,
		Charts:          &s.charts,
		Values:          s.Values,
		Set:             s.Set,
		ImageValuesPath: s.ImageValuesPath,
		HistoryMax:      s.HistoryMax,
		VerdictKey:      s.VerdictKey,
		Reason:          s.Reason,
		Watch: func(ctx context.Context, applied record.Applied) (record.Rollout, error) {
			g, err := s.gate()
			if err != nil {
				return record.Rollout{}, err
			}
			return s.watcher(cluster, r, g).Watch(ctx, applied)
		},
		Withhold: s.withhold,
		Suspect:  s.suspect,
		Named:    s.redactor.Names,
		Public:   s.redactor.Public,
		Unread:   s.unread,
		Log:      s.log,
	})
	return cluster, r, err
}

func (s *session) connect(g gate) (deploy.Cluster, error) {
	cluster, r, err := s.openRelease()
	if err != nil {
		return deploy.Cluster{}, err
	}
	return deploy.Cluster{
		Namespace: cluster.Namespace,
		Releases:  r, Manifests: r, Planner: r, Applier: r,
		Locker:  lease.New(lease.Options{Client: cluster.Client, Namespace: cluster.Namespace, Release: s.Release, Log: s.log}),
		Checker: s.checker(cluster, g),
		Watcher: s.watcher(cluster, r, g),
		Prober:  prober{cluster, g.suite, s.PublicURL, s.log, s.answered},
	}, nil
}

func (s *session) watcher(cluster *kube.Cluster, r *release.Release, g gate) watcher {
	return watcher{rollout.Options{
		Client: cluster.Client, Namespace: cluster.Namespace, Rules: g.rules, ImageExists: s.imageExists,
		LogPatterns: g.logPatterns, PassingPatterns: g.passing, SmokeServices: s.SmokeServices, Seen: &rollout.Seen{},
		Show: s.screen.show, Log: s.log,
	}, s.screen, r}
}

// imageExists reports whether the registry has an image by now that a node missed.
func (s *session) imageExists(ctx context.Context, reference string) bool {
	_, err := s.lookedUp().Platforms(ctx, reference, nil)
	return err == nil
}

// lookedUp asks registries about images that are there already, or should be.
func (s *session) lookedUp() build.Images { return build.Images{Insecure: s.InsecureRegistries} }

// watcher gives the rollout package the form that deploy wants.
type watcher struct {
	rollout.Options
	screen *screen
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
	defer w.screen.clear() // what follows is not about pods
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
type checker struct{ preflight.Options }

func (c checker) Check(ctx context.Context, plan record.Plan) ([]record.Concern, error) {
	return preflight.Check(ctx, c.Options, plan)
}

func (s *session) checker(cluster *kube.Cluster, g gate) checker {
	return checker{preflight.Options{
		Client: cluster.Client, Namespace: cluster.Namespace, Release: s.Release,
		Timeout: s.Timeout, RollbackTimeout: s.RollbackTimeout, Images: s.lookedUp(), Forwarding: g.suite != nil, SmokeServices: s.SmokeServices, Log: s.log,
		ImageValuesPath: s.ImageValuesPath, RequireDigests: s.RequireDigests, AllowDelete: s.AllowDelete,
	}}
}

func runPreflight(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	g, err := s.gate()
	if err != nil {
		return err
	}
	cluster, r, err := s.openRelease()
	if err != nil {
		return err
	}
	s.update(func(r *record.Record) { r.Release = &record.Release{Name: s.Release, Namespace: cluster.Namespace} })
	return s.phase("preflight", func() error {
		plan, err := r.Plan(ctx, s.read().Image)
		if err != nil {
			return err
		}
		strict := s.checker(cluster, g)
		strict.ImagesBlock = true
		concerns, err := strict.Check(ctx, plan)
		s.update(func(r *record.Record) { r.Concerns = concerns })
		if err != nil {
			return err
		}
		return deploy.Weigh(s.log, concerns)
	})
}
