package pipeline

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
)

// findTime bounds the look for the pods of a release whose rollout is not complete.
const findTime = 10 * time.Second

// smokeStage sends the checks to what is live, or to the public URL alone.
func smokeStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	g, err := s.gate()
	if err != nil {
		return nil, err
	}
	switch {
	case g.suite == nil:
		return nil, record.BadInput("config/smoke", "--smoke none: there is nothing to send")
	case s.settings.Release == "" && s.settings.PublicURL == "":
		return nil, record.BadInput("config/no-target", "give --release for the pods and Services of a release, or --public-url")
	}
	p := g.prober(nil, s.settings.PublicURL, s.host)
	find := func(context.Context) (to deploy.Targets, without string, err error) { return to, "", nil }
	if s.settings.Release != "" {
		at, err := s.site()
		if err != nil {
			return nil, err
		}
		find = func(ctx context.Context) (deploy.Targets, string, error) { return at.targets(ctx, g, &p) }
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

// targets are the pods and Services of the live revision; without says why there are
// none.
func (s site) targets(ctx context.Context, g gate, p *prober) (to deploy.Targets, without string, err error) {
	cluster, r, err := s.connect() //nolint:contextcheck // Secrets are learned also when the run is cancelled
	if err != nil {
		return to, "", err
	}
	p.cluster = cluster
	history, err := r.History(ctx)
	if err != nil {
		return to, "", err
	}
	if len(history) == 0 {
		return to, "", deploy.NoRelease(s.release.Name, s.namespace)
	}
	applied, err := r.Describe(ctx, history[0].Number)
	if err != nil {
		return to, "", err
	}
	s.host.Ledger.Update(func(r *record.Record) {
		r.Release = &record.Release{Name: s.release.Name, Namespace: s.namespace, Live: history[0].Number}
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

// podsSpeakFirst is how long the pods have left once a Service or the public URL has
// failed for certain: a pod that gives the same wrong answer says where the fault is.
const podsSpeakFirst = 10 * time.Second

// parallelTargets bounds how many pods and Services are asked at a time.
const parallelTargets = 4

// inCluster stands for a host where the transport knows the way.
func inCluster(secure bool) string {
	if secure {
		return "https://target.invalid"
	}
	return "http://target.invalid"
}

// prober sends the suite to each pod, through each Service and to the public URL.
type prober struct {
	cluster *kube.Cluster // nil for the public URL alone
	suite   *checks.Suite
	url     string
	log     *slog.Logger
	hide    func(string) string // makes what a target answered fit to be shown
	browser *chromium.Browser   // nil when no check wants one
	keep    func(name string, png []byte) (path string, err error)
}

func (g gate) prober(cluster *kube.Cluster, publicURL string, host Host) prober {
	return prober{cluster: cluster, suite: g.suite, url: publicURL, log: host.Log, hide: host.Secrets.Answer, browser: g.browser, keep: host.Picture}
}

// picture keeps what a browser saw of a target. A picture that cannot be kept changes
// nothing.
func (p prober) picture(target string) func(check string, png []byte) string {
	return func(check string, png []byte) string {
		path, err := p.keep(target+" "+check, png)
		if err != nil {
			p.log.Warn("keeping the picture of a smoke check", "check", check, "target", target, "error", err)
		}
		return path
	}
}

func (p prober) Probe(ctx context.Context, to deploy.Targets) ([]record.Check, error) {
	if p.suite == nil {
		return nil, nil
	}
	suite := *p.suite
	if to.Quick {
		suite = suite.Quick()
	}
	var targets []smoke.Target
	for _, pod := range to.Pods {
		transport, done := p.cluster.PodTransport(pod)
		defer done()
		targets = append(targets, smoke.Target{Name: "Pod/" + pod.Name, Kind: record.TargetPod, BaseURL: inCluster(pod.HTTPS), Transport: transport})
	}
	for _, service := range to.Services {
		targets = append(targets, smoke.Target{Name: "Service/" + service.Name, Kind: record.TargetService, BaseURL: inCluster(service.HTTPS), Transport: p.cluster.ServiceTransport(service)})
	}
	if p.url != "" {
		targets = append(targets, smoke.Target{Name: p.url, Kind: record.TargetPublic, BaseURL: p.url})
	}
	asking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for i := range targets {
		targets[i].Told, targets[i].Browser, targets[i].As = enough(to, cancel), p.browser, p.url
		if p.keep != nil && !to.Quick {
			targets[i].Picture = p.picture(targets[i].Name)
		}
	}
	return p.send(asking, suite, targets), ctx.Err()
}

// enough ends the asking when one answer decides.
func enough(to deploy.Targets, end context.CancelCauseFunc) func(record.Check) {
	return func(c record.Check) {
		switch {
		case to.Enough == nil || !to.Enough(c):
		case c.Kind == record.TargetPod || len(to.Pods) == 0:
			end(smoke.Enough{Failed: c})
		default:
			time.AfterFunc(podsSpeakFirst, func() { end(smoke.Enough{Failed: c}) })
		}
	}
}

// send asks the targets side by side; the results keep their order.
func (p prober) send(ctx context.Context, suite checks.Suite, targets []smoke.Target) []record.Check {
	results := make([][]record.Check, len(targets))
	slots := make(chan struct{}, parallelTargets)
	var all sync.WaitGroup
	for i, target := range targets {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			target.Hide = p.hide
			if err := record.Guard(func() error { results[i] = smoke.Run(ctx, suite, target, p.log); return nil }); err != nil {
				results[i] = []record.Check{{Name: "all", Target: target.Name, Kind: target.Kind, Result: record.CheckInconclusive, Detail: err.Error()}}
			}
		})
	}
	all.Wait()
	var checks []record.Check
	for _, result := range results {
		checks = append(checks, result...)
	}
	return checks
}
