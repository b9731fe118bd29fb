// Package rollout watches one applied revision until it is complete or certain
// to fail. Everything comes from watches; a pure judge decides from what they
// show, so that every rule can be tested as a row of a table.
package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Graces are how long a condition must last without a break before it counts as
// a failure. Zero values mean the defaults.
type Graces struct {
	NotFound      time.Duration // the registry does not know the image; default 3 s
	Denied        time.Duration // the registry refuses access; default 45 s
	Pull          time.Duration // any other trouble with the registry; default 2 min
	Config        time.Duration // a missing Secret, ConfigMap or key; default 15 s
	Create        time.Duration // the runtime cannot make the container; default 30 s
	Mount         time.Duration // a volume cannot be mounted; default 45 s
	Unschedulable time.Duration // no node has room; default 2 min
	Quota         time.Duration // quota or another refusal to make pods; default 30 s
	Admission     time.Duration // an admission policy says no; default 5 s
	LogPattern    time.Duration // after a log line that means "never ready"; default 8 s
}

// crashesToFail is how many times a container of the new revision may end before
// the rollout counts as failed. Crashes are counted, not timed: one crash and then
// fine is healthy.
const crashesToFail = 3

func (g Graces) withDefaults() Graces {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&g.NotFound, 3 * time.Second}, {&g.Denied, 45 * time.Second}, {&g.Pull, 2 * time.Minute},
		{&g.Config, 15 * time.Second}, {&g.Create, 30 * time.Second}, {&g.Mount, 45 * time.Second},
		{&g.Unschedulable, 2 * time.Minute}, {&g.Quota, 30 * time.Second}, {&g.Admission, 5 * time.Second},
		{&g.LogPattern, 8 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return g
}

// Options say how to watch.
type Options struct {
	Client kubernetes.Interface
	// Namespace is that of workloads that name none.
	Namespace string
	Graces    Graces
	// LogPatterns are regular expressions; a line of a new pod that matches one,
	// while the pod is not ready, means that it never will be.
	LogPatterns []string
	// PassingPatterns are regular expressions for lines that do not count although
	// they match: a restart of the container heals what they tell.
	PassingPatterns []string
	Log             *slog.Logger
}

// heartbeat is how often a wait shows that it lives.
const heartbeat = 10 * time.Second

// Watch waits until all workloads are rolled out, or until one is certain to
// fail. The deadline of ctx is the budget: when it passes, the rollout has failed
// with the cause rollout/timeout and the most specific thing seen. An error means
// that the watch itself did not work, or that ctx was cancelled.
func Watch(ctx context.Context, o Options, workloads []pipeline.Workload) (pipeline.Rollout, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	patterns, err := compile(o.LogPatterns)
	if err != nil {
		return pipeline.Rollout{}, err
	}
	passing, err := compile(o.PassingPatterns)
	if err != nil {
		return pipeline.Rollout{}, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	workloads = slices.Clone(workloads)
	for i := range workloads {
		workloads[i].Namespace = cmp.Or(workloads[i].Namespace, o.Namespace)
	}
	w, err := open(watching, o.Client, workloads)
	if err != nil {
		return pipeline.Rollout{}, err
	}
	w.logs.patterns, w.logs.passing = patterns, passing
	r := &wait{Options: o, watch: w, judge: newJudge(o.Graces.withDefaults()), start: time.Now()}
	return r.until(watching)
}

func compile(expressions []string) ([]*regexp.Regexp, error) {
	var all []*regexp.Regexp
	for _, e := range expressions {
		pattern, err := regexp.Compile(e)
		if err != nil {
			return nil, pipeline.BadInput("rollout/log-pattern-invalid", "log pattern %q: %w", e, err)
		}
		all = append(all, pattern)
	}
	return all, nil
}

// wait is one wait for a set of workloads.
type wait struct {
	Options
	watch *watch
	judge *judge
	start time.Time
	shown string
	at    time.Time
}

func (r *wait) until(ctx context.Context) (pipeline.Rollout, error) {
	// Graces run out without any event of the cluster, hence the ticker; it asks
	// the cluster nothing.
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		verdict := r.judge.decide(r.watch.snapshot(), time.Now())
		r.show(verdict)
		switch {
		case verdict.cause != nil:
			r.watch.explain(context.WithoutCancel(ctx), verdict.cause)
			return pipeline.Rollout{Cause: verdict.cause}, nil
		case verdict.ready:
			if len(verdict.pods) == 0 {
				r.Log.Warn("no pod of a Deployment runs: nothing was proven beyond what was applied")
			}
			return pipeline.Rollout{Pods: verdict.pods}, nil
		}
		r.watch.follow(ctx, verdict.unready)
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				cause := r.judge.timeout(verdict.progress, time.Since(r.start))
				r.watch.explain(context.WithoutCancel(ctx), &cause)
				return pipeline.Rollout{Cause: &cause}, nil
			}
			return pipeline.Rollout{}, ctx.Err()
		case <-r.watch.changed:
		case <-ticker.C:
		}
	}
}

// show logs each change, and at least one line every heartbeat.
func (r *wait) show(v verdict) {
	line := v.progress
	if v.trouble != "" {
		line += "; " + v.trouble
	}
	if line == r.shown && time.Since(r.at) < heartbeat {
		return
	}
	r.shown, r.at = line, time.Now()
	r.Log.Info(fmt.Sprintf("%s after %.0fs", line, time.Since(r.start).Seconds()))
}
