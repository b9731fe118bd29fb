package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// notYet stands for the image of a run before it is built.
var notYet = record.NotBuilt("localhost/not-built-yet")

// runAll is the whole pipeline. While the image is built, pushed, scanned, signed and
// verified, the cluster is asked whether it would take it; then it is deployed. Tags
// move when everything else has succeeded.
func runAll(ctx context.Context, s *session) error {
	moves, err := s.moves()
	if err := errors.Join(err, s.valid()); err != nil {
		return err
	}
	var verified record.Verified
	if err := together(ctx,
		func(ctx context.Context) error {
			return s.aside("preflight", func(log *slog.Logger) error { return s.ahead(ctx, log) })
		},
		func(ctx context.Context) error {
			options, err := s.signOptions()
			options.Image = notYet
			if err != nil {
				return err
			}
			return sign.Check(ctx, options)
		},
		func(ctx context.Context) (err error) {
			verified, err = s.makeImage(ctx)
			return err
		},
	); err != nil {
		return err
	}
	err = s.folded("deploy", func() error { return s.deploy(ctx, verified) })
	s.attestVerdict(ctx)
	if err != nil || s.read().Verdict != record.VerdictGood {
		return err
	}
	return s.moveTags(ctx, moves)
}

// valid finds everything that is wrong with the settings before any work is done.
func (s *session) valid() error {
	problems := []error{s.canSign(), s.knownKinds()}
	add := func(err error, validate func() error) {
		if err == nil {
			err = validate()
		}
		problems = append(problems, err)
	}
	building, err := s.buildOptions(s.log)
	problems = append(problems, err, building.Validate())
	scanning, err := s.scanOptions(s.log)
	scanning.Image = notYet
	add(err, scanning.Validate)
	signing, err := s.signOptions()
	signing.Image = notYet
	add(err, signing.Validate)
	verifying, err := s.verifyOptions()
	verifying.Image = notYet
	add(err, verifying.Validate)
	_, err = s.deployOptions()
	return errors.Join(append(problems, err)...)
}

// makeImage builds the image, scans it while it is pushed, and signs what the scan
// accepts.
func (s *session) makeImage(ctx context.Context) (verified record.Verified, err error) {
	scanner := &inspector{session: s}
	err = s.aside("build", func(log *slog.Logger) error { return s.build(ctx, log, scanner.inspect) })
	// A part of the platforms says nothing, unless it says no.
	refused := record.KindOf(err) == record.KindRefused
	if result, scanned := scanner.result(); scanned && (err == nil || refused) {
		err = cmp.Or(s.judge(ctx, result), err)
	}
	if err != nil {
		return verified, err
	}
	err = s.folded("sign and verify", func() (err error) {
		if err = s.sign(ctx); err == nil {
			verified, err = s.verify(ctx)
		}
		return err
	})
	return verified, err
}

// ahead is the preflight of a deploy whose image does not exist yet.
func (s *session) ahead(ctx context.Context, log *slog.Logger) error {
	g, err := s.gate()
	if err != nil {
		return err
	}
	cluster, r, err := s.openRelease()
	if err != nil {
		return err
	}
	// Policies of the cluster may allow the registry only that the image will be in.
	plan, err := r.Plan(ctx, record.NotBuilt(cmp.Or(s.Repository, notYet.Repository)))
	if err != nil {
		return err
	}
	checker := s.checker(cluster, g)
	checker.Images, checker.Log = nil, log
	concerns, err := checker.Check(ctx, plan)
	if err != nil {
		return err
	}
	s.update(func(r *record.Record) { r.Concerns = concerns })
	return deploy.Weigh(log, concerns)
}

// together runs the tasks side by side. The first error ends the others; what that
// did to them is left out, unless they have a no of their own. The errors are in the
// order of the tasks.
func together(ctx context.Context, tasks ...func(context.Context) error) error {
	// Without a cause: it would come back as the error of every task.
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	problems := make([]error, len(tasks))
	var all sync.WaitGroup
	for i, task := range tasks {
		all.Go(func() {
			err := record.Guard(func() error { return task(inner) })
			late := inner.Err() != nil && ctx.Err() == nil
			cancelled := errors.Is(err, context.Canceled) || record.KindOf(err) == record.KindUnavailable
			if err == nil || late && cancelled {
				return
			}
			problems[i] = err
			cancel()
		})
	}
	all.Wait()
	return errors.Join(problems...)
}

// aside runs a stage beside others, with a log of its own: on a terminal its lines
// have its name; in GitHub Actions they come as one folded group when it is over.
func (s *session) aside(name string, stage func(*slog.Logger) error) error {
	if !s.actions.Enabled() {
		log := newLog(s.stderr, s.name+" "+name, s.warn, s.redactor.Text)
		return s.noted(name, log, func() error { return stage(log) })
	}
	lines := &kept{}
	err := s.noted(name, s.log, func() error { return stage(newLog(lines, s.name+" "+name, s.warn, s.redactor.Text)) })
	return errors.Join(err, s.folded(name, func() error {
		_, err := s.stderr.Write(lines.text.Bytes())
		return err
	}))
}

// kept collects the lines of a stage; its log writes one at a time.
type kept struct{ text bytes.Buffer }

func (k *kept) Write(p []byte) (int, error) { return k.text.Write(p) }

// folded puts what a stage logs into a group that the viewer can fold.
func (s *session) folded(name string, stage func() error) error {
	s.groups.Lock()
	defer s.groups.Unlock()
	defer s.actions.Group(name)()
	return stage()
}

// quietFor is how long a stage may say nothing in the log of a job.
const quietFor = 10 * time.Second

// progress tells how much was sent until it is stopped: on a terminal as a line that
// changes, otherwise as a line of the log now and then.
func (s *session) progress(sent *atomic.Int64) (stop func()) {
	began, done := time.Now(), make(chan struct{})
	every, tell := quietFor, func(text string) { s.log.Info(text) }
	if s.screen.width > 0 {
		every, tell = quietFor/50, s.screen.line
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				s.screen.clear()
				return
			case <-tick.C:
				tell(fmt.Sprintf("building for %s, %.1f MB sent", time.Since(began).Round(time.Second), float64(sent.Load())/1e6))
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}
