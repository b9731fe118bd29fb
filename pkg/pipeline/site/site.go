// Package site is the cluster and the release as the stages of a run meet them: clients,
// and rollout, preflight, smoke checks and databases in the forms that [deploy] wants.
package site

import (
	"context"
	"errors"
	"log/slog"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/database/dump"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/lease"
	"github.com/stagecrew/stagecrew/pkg/migrations/images"
	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/rollout"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// Host is what a site needs of the run.
type Host struct {
	Log     *slog.Logger
	Getenv  func(string) string
	Secrets Secrets
	Screen  Screen
	// Update changes the record of the run.
	Update func(change func(*record.Record))
	// Picture stores a PNG of what a smoke check has seen and gives its path.
	Picture func(name string, png []byte) (string, error)
}

// Secrets are the values that nothing may show.
type Secrets interface {
	// Withhold makes values secret.
	Withhold(values ...string)
	// Suspect withholds values that may turn out to be names of objects.
	Suspect(values ...string)
	// Names and Public are of texts that are no secrets, whatever else says so.
	Names(names ...string)
	Public(texts ...string)
	// Unread is told of a Secret that pods use and this run cannot read.
	Unread(name string, because error)
	// Answer is a text about the answer of a pod as it may be shown.
	Answer(text string) string
}

// Screen is where people see the pods of a rollout.
type Screen interface {
	// ShowPods draws them, and ClearPods removes them.
	ShowPods(record.Progress)
	ClearPods()
}

// Site is where the release is, and how one gets at it. Its options lack only the
// cluster, of which each connection makes fresh clients.
type Site struct {
	Release   string
	Namespace string

	host      Host
	cluster   kube.Options
	release   release.Options
	rollout   rollout.Options
	preflight preflight.Options
	gate      func() (Gate, error)
	publicURL string
	// comparison is how the images of two revisions are compared.
	comparison images.Options
	// databaseEnv are names of variables, see [database.Options].
	databaseEnv []string
	// onMigrated is the policy about migrations that are in.
	onMigrated record.MigratedPolicy
	// dumps lack the release and its cluster.
	dumps dump.Options
}

// Shared is what a site has together with other stages.
type Shared struct {
	// Charts are those that were read already.
	Charts *release.Charts
	// Comparison is how images are compared, with the credentials for the registry.
	Comparison images.Options
	// Gate is how a revision is judged. A site without one can be looked at.
	Gate func() (Gate, error)
}

// Read reads the settings of a site. It asks nothing of the cluster yet.
func Read(s config.Settings, host Host, with Shared) (Site, error) {
	if s.Release == "" {
		return Site{}, record.BadInput("config/no-release", "--release: the name of the Helm release is missing")
	}
	place := kube.Options{Kubeconfig: s.Kubeconfig, Context: s.KubeContext, Namespace: s.Namespace, Patience: s.APIPatience, Log: host.Log}
	namespace, err := kube.Namespace(place)
	at := Site{
		Release: s.Release, Namespace: namespace,
		host: host, cluster: place, gate: with.Gate, publicURL: s.PublicURL,
		comparison: with.Comparison, databaseEnv: s.DatabaseEnv, onMigrated: s.OnMigrated, dumps: dumpsOf(s.Dumps),
		release: releaseOptions(s, host, with.Charts),
	}
	// Images of others are looked at without the credentials for this one.
	others := registry.Access{Insecure: s.InsecureRegistries}
	at.rollout = rollout.Options{
		ImageExists: func(ctx context.Context, reference string) bool {
			_, err := others.Platforms(ctx, reference, nil)
			return err == nil
		},
		SmokeServices: s.SmokeServices, Show: host.Screen.ShowPods, Log: host.Log,
	}
	at.preflight = preflight.Options{
		Release: at.Release, Timeout: s.Timeout, RollbackTimeout: s.RollbackTimeout, Images: others,
		SmokeServices: s.SmokeServices, ImageValuesPath: s.ImageValuesPath,
		RequireDigests: s.RequireDigests, RequireSafeRollback: s.RequireSafeRollback, AllowDelete: s.AllowDelete, Log: host.Log,
	}
	return at, errors.Join(err, at.release.Check(), at.comparison.Check())
}

// releaseOptions lack the cluster and the namespace.
func releaseOptions(s config.Settings, host Host, charts *release.Charts) release.Options {
	return release.Options{
		Name:            s.Release,
		Chart:           s.Chart,
		Charts:          charts,
		Values:          s.Values,
		Set:             s.Set,
		ImageValuesPath: s.ImageValuesPath,
		HistoryMax:      s.HistoryMax,
		Driver:          host.Getenv("HELM_DRIVER"),
		VerdictKey:      s.VerdictKey,
		Reason:          s.Reason,
		Withhold:        host.Secrets.Withhold,
		Suspect:         host.Secrets.Suspect,
		Named:           host.Secrets.Names,
		Public:          host.Secrets.Public,
		Unread:          host.Secrets.Unread,
		Log:             host.Log,
	}
}

// Open makes fresh clients in the forms that deploy wants. Of concerns that were told
// already its checks tell only what blocks.
func (s Site) Open(g Gate, told []record.Concern) (deploy.Cluster, error) {
	cluster, r, err := s.Connect()
	if err != nil {
		return deploy.Cluster{}, err
	}
	strict := s.checker(cluster, g)
	strict.told = told
	return deploy.Cluster{
		Namespace: cluster.Namespace,
		History:   r, Changer: r,
		Locker:    lease.New(lease.Options{Client: cluster.Client, Namespace: cluster.Namespace, Release: s.Release, Log: s.host.Log}),
		Watcher:   s.watcher(cluster, r, g),
		Prober:    g.prober(cluster, s.publicURL, s.host),
		Databases: s.databases(cluster), Check: strict.Check,
	}, nil
}

// Connect makes fresh clients of the cluster and the release.
func (s Site) Connect() (*kube.Cluster, *release.Release, error) {
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

func (s Site) watcher(cluster *kube.Cluster, r *release.Release, g Gate) watcher {
	options := s.rollout
	options.Client, options.Namespace, options.Seen = cluster.Client, cluster.Namespace, &judge.Seen{}
	options.Rules, options.LogPatterns, options.PassingPatterns = g.rules, g.logPatterns, g.passing
	return watcher{options, s.host.Screen.ClearPods, r}
}

func (s Site) checker(cluster *kube.Cluster, g Gate) checker {
	options := s.preflight
	options.Client, options.Namespace, options.Forwarding = cluster.Client, cluster.Namespace, g.suite != nil
	return checker{Options: options}
}
