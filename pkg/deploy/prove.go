package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// watch waits until the revision is rolled out.
func (r *run) watch(ctx context.Context) event {
	var err error
	r.rollout, err = r.cluster.Watcher.Watch(ctx, r.applied)
	if r.rollout.Cause != nil || err != nil {
		return r.fails(r.rollout.Cause, err)
	}
	return passed
}

// smoke sends the checks to what was rolled out.
func (r *run) smoke(ctx context.Context) event {
	checks, err := r.cluster.Prober.Probe(ctx, Targets{Pods: r.rollout.Pods, Services: r.applied.Services})
	checks = r.cluster.Prober.Against(r.before, checks)
	r.result.Checks = append(r.result.Checks, checks...)
	cause := failure(checks)
	if cause == nil && ctx.Err() != nil {
		cause = doubt(checks) // the time is up
	}
	if cause != nil || err != nil {
		return r.fails(cause, err)
	}
	if isProven(checks) {
		return passed
	}
	r.result.Cause = doubt(checks)
	r.result.Advice = fmt.Sprintf("revision %d runs and nothing speaks against it, but no smoke check could be answered; `stagecrew recover` judges it again", r.applied.Revision.Number)
	return unproven
}

// soakPause lies between two rounds of smoke checks while soaking.
const soakPause = 5 * time.Second

// soak keeps watching the pods and repeats the checks for a while.
func (r *run) soak(ctx context.Context) event {
	if r.Soak <= 0 {
		return passed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type held struct {
		cause *pipeline.Cause
		err   error
	}
	pods := make(chan held, 1)
	go func() {
		cause, err := r.cluster.Watcher.Hold(ctx, r.applied, r.Soak)
		pods <- held{cause, err}
	}()
	for {
		select {
		case h := <-pods:
			if h.cause != nil || h.err != nil {
				return r.fails(h.cause, h.err)
			}
			return passed
		case <-time.After(min(soakPause, r.Soak)):
		}
		checks, err := r.cluster.Prober.Probe(ctx, Targets{Services: r.applied.Services, Quick: true})
		checks = r.cluster.Prober.Against(r.before, checks)
		if cause := failure(checks); cause != nil || err != nil {
			r.result.Checks = append(r.result.Checks, checks...)
			return r.fails(cause, err)
		}
	}
}

// fails keeps why the revision is not good. That a signal ended the asking is no
// reason.
func (r *run) fails(cause *pipeline.Cause, err error) event {
	if cause != nil || !errors.Is(err, context.Canceled) {
		r.result.Cause = causeOf(cause, err)
	}
	return failed
}

// causeOf prefers the named cause; an error alone (a broken watch, say) becomes one.
func causeOf(cause *pipeline.Cause, err error) *pipeline.Cause {
	switch {
	case cause != nil:
		return cause
	case err == nil:
		return &pipeline.Cause{Code: "smoke/not-proven", Message: "no smoke check could be answered"}
	}
	return &pipeline.Cause{Code: "deploy/gate-broken", Message: err.Error()}
}

// failure names the first check that failed, nil without one.
func failure(checks []pipeline.Check) *pipeline.Cause {
	for _, c := range checks {
		if c.Result == "failed" {
			return &pipeline.Cause{Code: "smoke/check-failed", Object: c.Target, Reason: c.Name, Message: c.Detail}
		}
	}
	return nil
}

// doubt names the first check that told nothing.
func doubt(checks []pipeline.Check) *pipeline.Cause {
	for _, c := range checks {
		if c.Result == "inconclusive" {
			return &pipeline.Cause{Code: "smoke/not-proven", Object: c.Target, Reason: c.Name, Message: c.Detail}
		}
	}
	return causeOf(nil, nil)
}

// isProven tells whether every pod and every Service has passed a check. Checks
// of the public URL prove nothing by themselves: it may be closed from here.
func isProven(checks []pipeline.Check) bool {
	passed := map[string]bool{}
	for _, c := range checks {
		if strings.HasPrefix(c.Target, "Pod/") || strings.HasPrefix(c.Target, "Service/") {
			passed[c.Target] = passed[c.Target] || c.Result == "passed"
		}
	}
	for _, ok := range passed {
		if !ok {
			return false
		}
	}
	return true
}

// mark writes the verdict good. The proof is complete: a signal that comes now
// must not lose it.
func (r *run) mark(ctx context.Context) event {
	revision := r.applied.Revision.Number
	if err := r.cluster.Releases.Mark(ctx, revision, pipeline.MarkGood); err != nil {
		r.result.Cause = &pipeline.Cause{Code: "deploy/verdict-not-written", Message: err.Error()}
		r.result.Advice = fmt.Sprintf("revision %d serves and passed every check, but its verdict could not be written; `stagecrew recover` tries again", revision)
		return failed
	}
	r.result.Release.Live, r.result.Cause, r.result.Advice = revision, nil, ""
	r.Log.Info("verified good", "revision", revision)
	return passed
}
