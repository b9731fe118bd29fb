package site

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
)

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

// Prober sends the suite to each pod, through each Service and to the public URL.
type Prober struct {
	cluster *kube.Cluster // nil for the public URL alone
	suite   *checks.Suite
	url     string
	log     *slog.Logger
	hide    func(string) string // makes what a target answered fit to be shown
	browser *chromium.Browser   // nil when no check wants one
	keep    func(name string, png []byte) (path string, err error)
}

// Prober asks the public URL alone, unless [Site.Targets] gives it the way to pods.
func (g Gate) Prober(publicURL string, host Host) Prober { return g.prober(nil, publicURL, host) }

func (g Gate) prober(cluster *kube.Cluster, publicURL string, host Host) Prober {
	return Prober{cluster: cluster, suite: g.suite, url: publicURL, log: host.Log, hide: host.Secrets.Answer, browser: g.browser, keep: host.Picture}
}

// picture keeps what a browser saw of a target. A picture that cannot be kept changes
// nothing.
func (p Prober) picture(target string) func(check string, png []byte) string {
	return func(check string, png []byte) string {
		path, err := p.keep(target+" "+check, png)
		if err != nil {
			p.log.Warn("keeping the picture of a smoke check", "check", check, "target", target, "error", err)
		}
		return path
	}
}

// Probe implements [deploy.Prober].
func (p Prober) Probe(ctx context.Context, to deploy.Targets) ([]record.Check, error) {
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
func (p Prober) send(ctx context.Context, suite checks.Suite, targets []smoke.Target) []record.Check {
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
