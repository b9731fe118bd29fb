package rollout

import (
	"context"
	"errors"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// SoakAuto leaves it to Hold how long to watch: until each new pod has outlived the
// first budget of its liveness probes, at least ten seconds and at most thirty after
// it became ready; a probe that begins later is waited for until it has answered once, up
// to two minutes, and one that fails until it has had its say, up to five. Pods that have been ready for longer need no further watching.
const SoakAuto time.Duration = 0

// Hold watches a complete rollout for that long, or as long as [SoakAuto] says. A new
// pod that ends, crashes, is killed for its liveness, or is not ready for more than
// ten seconds is a cause with the code rollout/not-stable. A pod that is taken away
// (by an autoscaler, a drained node, an eviction) is none, once as many new pods are
// ready as were when the hold began, or as are still wanted; when the time is over
// Hold waits on for that, until the deadline of ctx. Notes are what is not proven although
// the pods have lasted, a line each: what shows only after a pod was ready, such as a liveness
// probe that cannot be run. An error means that the watch did
// not work, that ctx was cancelled, or that its deadline passed before the time was
// over without anything having gone wrong.
func Hold(ctx context.Context, o Options, applied record.Applied, duration time.Duration) (cause *record.Cause, notes []string, err error) {
	v, stop, err := begin(ctx, o, applied)
	if err != nil {
		return nil, nil, err
	}
	defer stop()
	err = record.Guard(func() (err error) {
		cause, err = v.hold(duration)
		if cause == nil && err == nil {
			notes = v.lasting()
		}
		return err
	})
	return cause, notes, panicked(err)
}

// lasting is what is not proven of pods that have lasted.
func (v *wait) lasting() []string {
	s, look := v.observe()
	notes := append(judge.Unwatched(&s, look.Statuses), v.unaddressed(&s)...)
	for _, line := range notes {
		v.Log.Warn("not proven: " + line)
	}
	return notes
}

func (v *wait) hold(duration time.Duration) (*record.Cause, error) {
	v.shown, v.logged = judge.AllReady, time.Now() // the rollout has said it
	h := judge.NewHold(v.judge, v.Seen)
	for {
		s, look := v.observe()
		t, again := h.Judged(s, look)
		left := duration - time.Since(v.start)
		if duration == SoakAuto {
			left = v.judge.SoakLeft(s, look)
		}
		switch {
		case t != nil:
			return v.explained(*t), nil
		case left <= 0 && !h.Short(look):
			return nil, nil
		}
		if left > 0 {
			again = judge.Soonest(again, left)
		}
		err := v.sleep(judge.Soonest(again, look.Again))
		if errors.Is(err, context.DeadlineExceeded) && h.Short(look) {
			t := v.judge.Timeout(look.Progress, time.Since(v.start))
			t.Cause.Code = causes.NotStable
			return v.explained(t), nil
		}
		if err != nil {
			return nil, err
		}
	}
}
