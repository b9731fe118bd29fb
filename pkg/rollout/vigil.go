package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// heartbeat is how often a wait shows that it lives.
const heartbeat = 10 * time.Second

// vigil is one wait for a set of workloads.
type vigil struct {
	Options
	ctx   context.Context //nolint:containedctx // a vigil lives as long as the call that made it
	watch *watch
	judge *judge
	start time.Time

	shown string
	table []pipeline.PodState
	at    time.Time
}

// untilComplete looks again at each change until there is a verdict.
func (v *vigil) untilComplete() (pipeline.Rollout, error) {
	for {
		look := v.look()
		switch {
		case look.failed != nil:
			return pipeline.Rollout{Cause: v.explained(*look.failed)}, nil
		case look.ready:
			for _, status := range look.statuses {
				if status.note != "" {
					v.Log.Warn(status.note)
				}
			}
			return pipeline.Rollout{Pods: look.pods}, nil
		}
		if err := v.sleep(look.again); errors.Is(err, context.DeadlineExceeded) {
			// What arrived together with the deadline counts.
			look = v.look()
			if look.ready {
				return pipeline.Rollout{Pods: look.pods}, nil
			}
			return pipeline.Rollout{Cause: v.explained(v.judge.timeout(look.progress, time.Since(v.start)))}, nil
		} else if err != nil {
			return pipeline.Rollout{}, err
		}
	}
}

// look judges the present state and shows it.
func (v *vigil) look() verdict {
	s := v.watch.snapshot()
	look := v.judge.decide(s, time.Now())
	v.watch.logs.follow(v.ctx, look.follow)
	v.show(s, look)
	return look
}

// sleep waits for a change in the cluster, at most until time alone may change the
// verdict.
func (v *vigil) sleep(again time.Duration) error {
	timer := time.NewTimer(soonest(heartbeat, again))
	defer timer.Stop()
	select {
	case <-v.ctx.Done():
		return v.ctx.Err()
	case <-v.watch.changed:
	case <-timer.C:
	}
	return nil
}

// explained is the cause with the last words of its container.
func (v *vigil) explained(t trouble) *pipeline.Cause {
	v.watch.explain(context.WithoutCancel(v.ctx), &t)
	return &t.cause
}

// show logs each change, and at least one line every heartbeat.
func (v *vigil) show(s snapshot, look verdict) {
	text := look.progress
	if look.trouble != "" {
		text += "; " + look.trouble
	}
	var table []pipeline.PodState
	if v.Show != nil {
		table = podTable(v.judge.now, look.statuses, s.workloads)
	}
	news := text != v.shown
	if !news && sameTable(table, v.table) && time.Since(v.at) < heartbeat {
		return
	}
	seconds := time.Since(v.start).Seconds()
	if news || time.Since(v.at) >= heartbeat {
		v.Log.Info(fmt.Sprintf("%s after %.0fs", text, seconds))
	}
	v.shown, v.table, v.at = text, table, time.Now()
	if v.Show != nil {
		v.Show(pipeline.Sight{Seconds: seconds, Line: text, Pods: table})
	}
}

// sameTable leaves the ages out.
func sameTable(a, b []pipeline.PodState) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		x.Seconds, y.Seconds = 0, 0
		if x != y {
			return false
		}
	}
	return true
}
