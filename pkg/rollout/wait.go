package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// heartbeat is how often a wait shows that it lives.
const heartbeat = 10 * time.Second

// wait is one wait for a set of workloads.
type wait struct {
	Options
	ctx   context.Context //nolint:containedctx // a wait lives as long as the call that made it
	watch *watch
	judge *judge.Judge
	start time.Time
	// applied is what is watched.
	applied record.Applied
	// unproven are what could not be watched.
	unproven []string

	shown  string
	table  []record.PodState
	logged time.Time
}

// untilComplete looks again at each change until there is a verdict.
func (v *wait) untilComplete() (record.Rollout, error) {
	for {
		look := v.judged()
		if result, over := v.concluded(look); over {
			return result, nil
		}
		err := v.sleep(look.Again)
		if errors.Is(err, context.DeadlineExceeded) {
			return v.expired(), nil
		}
		if err != nil {
			return record.Rollout{}, err
		}
	}
}

// concluded reports whether a look decides the rollout.
func (v *wait) concluded(look judge.Verdict) (record.Rollout, bool) {
	if look.Failed != nil {
		return v.failed(*look.Failed), true
	}
	if !look.Ready {
		return record.Rollout{}, false
	}
	return v.complete(look), true
}

// expired is the end of the budget; what arrived together with it still counts.
func (v *wait) expired() record.Rollout {
	look := v.judged()
	if result, over := v.concluded(look); over {
		return result
	}
	return v.failed(v.judge.Timeout(look.Progress, time.Since(v.start)))
}

// judged judges the present state and shows it.
func (v *wait) judged() judge.Verdict {
	_, look := v.observe()
	return look
}

// observe gives the state with its judgement.
func (v *wait) observe() (cluster.Snapshot, judge.Verdict) {
	s := v.watch.snapshot()
	if v.watch.appeared(s) {
		s = v.reopened(s)
	}
	look := v.judge.Decide(s, time.Now())
	s.Index()
	v.watch.logs.follow(v.ctx, look.Follow)
	v.show(s, look)
	s.Now = v.judge.Now
	return s, look
}

// reopened opens the watch once more: what a workload makes is found by its selector,
// which is known only now.
func (v *wait) reopened(s cluster.Snapshot) cluster.Snapshot {
	w, err := open(v.ctx, v.Options, v.applied, v.watch.logs)
	if err != nil {
		v.Log.Warn("watching what has appeared", "error", err)
		return s
	}
	v.watch = w
	return w.snapshot()
}

// sleep waits for a change in the cluster, at most until time alone may change the
// verdict, or until it has to show that it lives.
func (v *wait) sleep(again time.Duration) error {
	timer := time.NewTimer(judge.Soonest(heartbeat-time.Since(v.logged), again))
	defer timer.Stop()
	select {
	case <-v.ctx.Done():
		return v.ctx.Err()
	case <-v.watch.changed:
	case <-timer.C:
	}
	return v.watch.panicked()
}

// explained is the cause with the last words of its container.
func (v *wait) explained(t detect.Trouble) *record.Cause {
	v.watch.explain(context.WithoutCancel(v.ctx), &t)
	return &t.Cause
}

// show logs each change, and at least one line every heartbeat.
func (v *wait) show(s cluster.Snapshot, look judge.Verdict) {
	text := look.Progress
	if look.Trouble != "" {
		text += "; " + look.Trouble
	}
	var table []record.PodState
	if v.Show != nil {
		table = judge.Table(v.judge.Now, look.Statuses, s.Workloads)
	}
	news := text != v.shown || time.Since(v.logged) >= heartbeat
	changed := !sameTable(table, v.table)
	seconds := time.Since(v.start).Seconds()
	v.shown, v.table = text, table
	if news {
		v.logged = time.Now()
		v.Log.Info(fmt.Sprintf("%s after %.0fs", text, seconds))
	}
	if v.Show != nil && (news || changed) {
		v.Show(record.Progress{Seconds: seconds, Line: text, Pods: table})
	}
}

// sameTable leaves the ages out.
func sameTable(a, b []record.PodState) bool {
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
