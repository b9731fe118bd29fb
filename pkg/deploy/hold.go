package deploy

import (
	"context"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// hold is the watch over pods that are ready, which runs beside the checks.
type hold struct {
	began time.Time
	stop  func()
	over  chan struct{} // closed at the end; then these hold:
	cause *record.Cause
	notes []string // what is not proven
	err   error
	ended time.Time
}

// longestSoak is more than an automatic soak takes.
const longestSoak = 5 * time.Minute

// soakSlack is what a soak may take longer, until evicted or deleted pods are replaced.
const soakSlack = 30 * time.Second

// afterSoak gives a soak the time that it needs, also beyond a limit.
func (r *run) afterSoak(limit time.Time) time.Time {
	if r.Soak < 0 {
		return limit
	}
	return later(limit, time.Now().Add(max(r.Soak, longestSoak)+soakSlack))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// beginSoak begins the soak.
func (t *trial) beginSoak() {
	if t.run.Soak < 0 {
		return
	}
	ctx, stop := context.WithDeadline(t.life, t.run.afterSoak(time.Now()))
	s := &hold{began: time.Now(), stop: stop, over: make(chan struct{})}
	t.hold = s
	watcher := t.run.cluster.Watcher
	go func() {
		defer close(s.over)
		s.err = record.Guard(func() (err error) {
			s.cause, s.notes, err = watcher.Hold(ctx, t.applied, t.run.Soak)
			return err
		})
		s.ended = time.Now()
	}()
}

// brokeBefore waits for the end of the soak or of ctx and reports whether the pods
// did not last.
func (s *hold) brokeBefore(ctx context.Context) bool {
	if s == nil {
		return false
	}
	select {
	case <-s.over:
		return s.cause != nil
	case <-ctx.Done():
		return false
	}
}

// broke is why the pods did not last, as far as it is known by now.
func (s *hold) broke() *record.Cause {
	if s == nil {
		return nil
	}
	select {
	case <-s.over:
		return s.cause
	default:
		return nil
	}
}

// doubts are what the end of the soak has shown not to be proven, without what is told
// already.
func (s *hold) doubts(told []string) []string {
	if s == nil {
		return nil
	}
	select {
	case <-s.over:
		return slices.DeleteFunc(slices.Clone(s.notes), func(line string) bool { return slices.Contains(told, line) })
	default:
		return nil
	}
}

// length is for how long the pods were watched, 0 for a soak that is not over.
func (s *hold) length() time.Duration {
	if s == nil {
		return 0
	}
	select {
	case <-s.over:
		return s.ended.Sub(s.began)
	default:
		return 0
	}
}

// endSoak ends the soak.
func (t *trial) endSoak() {
	if t.hold != nil {
		t.hold.stop()
		<-t.hold.over
	}
}
