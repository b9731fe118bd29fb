package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/rollout"
	"github.com/stagecrew/stagecrew/pkg/smoke"
)

func runDeploy(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	verified, err := s.verify(ctx)
	if err != nil {
		return err
	}
	return s.deploy(ctx, verified)
}

func (s *session) deploy(ctx context.Context, image pipeline.Verified) error {
	options, err := s.deployOptions()
	if err != nil {
		return err
	}
	result, err := deploy.Deploy(ctx, image, options)
	s.keep(result)
	return err
}

func runRollback(ctx context.Context, s *session) error {
	options, err := s.deployOptions()
	if err != nil {
		return err
	}
	if s.Reason != "" {
		s.log.Info("rollback by hand", "reason", s.Reason)
	}
	result, err := deploy.Rollback(ctx, deploy.Target{Revision: s.To, Digest: s.ToDigest}, options)
	s.keep(result)
	return err
}

// keep moves a deployment's result into the record.
func (s *session) keep(result deploy.Result) {
	s.record.Verdict = result.Verdict
	s.record.Image = result.Image
	s.record.Release = &result.Release
	s.record.Cause = result.Cause
	s.record.Advice = result.Advice
	s.record.Phases = append(s.record.Phases, result.Phases...)
	s.record.Checks = append(s.record.Checks, result.Checks...)
}

func (s *session) deployOptions() (deploy.Options, error) {
	if s.Release == "" {
		return deploy.Options{}, pipeline.BadInput("config/no-release", "--release: the name of the Helm release is missing")
	}
	suite, err := s.suite()
	if err != nil {
		return deploy.Options{}, err
	}
	return deploy.Options{
		Release:         s.Release,
		Namespace:       s.Namespace,
		Timeout:         s.Timeout,
		RollbackTimeout: s.RollbackTimeout,
		Holder:          s.holder(),
		Connect:         func() (deploy.Cluster, error) { return s.connect(suite) },
		Log:             s.log,
	}, nil
}

// holder names this run in the lock: the Actions run, or host and process.
func (s *session) holder() string {
	if s.record.Run.ID != "" {
		return fmt.Sprintf("run %s attempt %s", s.record.Run.ID, s.record.Run.Attempt)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s pid %d", host, os.Getpid())
}

// suite reads the smoke checks that --smoke names; nil for none.
func (s *session) suite() (*smoke.Suite, error) {
	var text []byte
	switch s.Smoke {
	case config.SmokeNone:
		s.log.Warn("no smoke checks: ready pods count as proof")
		return nil, nil
	case config.SmokeBackstage:
		text = backstage.SmokeYAML()
	default:
		var err error
		if text, err = os.ReadFile(s.Smoke); err != nil {
			return nil, pipeline.BadInput("config/smoke", "--smoke: %w; give a file of checks, backstage or none", err)
		}
	}
	document, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, pipeline.BadInput("config/smoke", "reading smoke checks %s: %w", s.Smoke, err)
	}
	suite, err := smoke.Parse(document)
	if err != nil {
		return nil, pipeline.BadInput("config/smoke", "reading smoke checks %s: %w", s.Smoke, err)
	}
	// Credentials of the checks come by the environment: "Bearer ${SMOKE_TOKEN}".
	suite, err = suite.Expand(func(name string) (string, bool) {
		value := s.getenv(name)
		s.actions.Mask(value)
		return value, value != ""
	})
	if err != nil {
		return nil, pipeline.BadInput("config/smoke", "reading smoke checks %s: %w", s.Smoke, err)
	}
	return &suite, nil
}

// openRelease connects to the cluster and opens the release.
func (s *session) openRelease() (*kube.Cluster, *release.Release, error) {
	cluster, err := kube.Connect(kube.Options{Kubeconfig: s.Kubeconfig, Context: s.KubeContext, Namespace: s.Namespace})
	if err != nil {
		return nil, nil, err
	}
	r, err := release.Open(release.Options{
		Cluster:         cluster,
		Namespace:       cluster.Namespace,
		Name:            s.Release,
		Chart:           s.Chart,
		Values:          s.Values,
		Set:             s.Set,
		ImageValuesPath: s.ImageValuesPath,
		Log:             s.log,
	})
	return cluster, r, err
}

func (s *session) connect(suite *smoke.Suite) (deploy.Cluster, error) {
	cluster, r, err := s.openRelease()
	if err != nil {
		return deploy.Cluster{}, err
	}
	return deploy.Cluster{
		Releases: r, Applier: r, Locker: r,
		Watcher: watcher{rollout.Options{
			Client: cluster.Client, Namespace: cluster.Namespace, Log: s.log,
			LogPatterns: backstage.LogPatterns(), PassingPatterns: backstage.PassingPatterns(),
		}},
		Prober: prober{cluster, suite, s.log},
	}, nil
}

// watcher gives the rollout package the form that deploy wants.
type watcher struct{ rollout.Options }

func (w watcher) Watch(ctx context.Context, workloads []pipeline.Workload) (pipeline.Rollout, error) {
	return rollout.Watch(ctx, w.Options, workloads)
}

// prober sends the suite to each pod and through each Service.
type prober struct {
	cluster *kube.Cluster
	suite   *smoke.Suite
	log     *slog.Logger
}

func (p prober) Probe(ctx context.Context, pods []pipeline.Pod, services []pipeline.Service) ([]pipeline.Check, error) {
	if p.suite == nil {
		return nil, nil
	}
	var checks []pipeline.Check
	for _, pod := range pods {
		transport, done := p.cluster.PodTransport(pod)
		checks = append(checks, p.send(ctx, "Pod/"+pod.Name, transport)...)
		done()
	}
	for _, service := range services {
		checks = append(checks, p.send(ctx, "Service/"+service.Name, p.cluster.ServiceTransport(service))...)
	}
	return checks, ctx.Err()
}

func (p prober) send(ctx context.Context, name string, transport http.RoundTripper) []pipeline.Check {
	target := smoke.Target{Name: name, BaseURL: "http://" + "target.invalid", Transport: transport}
	return smoke.Run(ctx, *p.suite, target, p.log)
}
