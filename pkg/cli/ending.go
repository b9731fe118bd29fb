package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
)

const (
	// giveUpAfter is how long after a signal the process ends in any case: GitHub
	// kills it after ten seconds, and what it did must be on record by then.
	giveUpAfter = 7500 * time.Millisecond
	// dropAfter is the same for a command that changes nothing: there is nothing to
	// bring to an end.
	dropAfter = 700 * time.Millisecond
	// writeTime bounds the writing of the record and the outputs after a signal.
	writeTime = 1500 * time.Millisecond
)

// ending is how a run ends: once, by its own end or by a signal.
type ending struct {
	once sync.Once
	code int
}

// finish completes the record, writes it where it belongs and gives the exit code.
// Whoever comes second waits for the first and gets its code.
func (s *session) finish(err error) int {
	return s.end(err, func(r *record.Record) {
		r.Verdict = verdictOf(r.Verdict, err)
		if err != nil {
			r.Error = err.Error()
		}
		var panicked *record.Panicked
		if errors.As(err, &panicked) && s.changesRelease() && r.Release != nil && r.Advice == "" {
			r.Advice = "stagecrew itself failed in the middle of its work; `stagecrew recover` or the next deploy finishes it"
		}
		if r.Verdict != record.VerdictCancelled && err != nil || r.Cause != nil {
			s.advise(r)
		}
	})
}

// cancel is finish for a run that a signal has ended.
func (s *session) cancel(err error) int {
	s.update(func(r *record.Record) { r.Verdict = record.VerdictCancelled })
	return s.finish(err)
}

// giveUp ends a command that did not stop by itself after a signal.
func (s *session) giveUp() int {
	return s.end(nil, func(r *record.Record) {
		r.Verdict = record.VerdictCancelled
		r.Advice = "stopped by a signal in the middle of its work; `stagecrew recover` or the next deploy finishes it"
		if !s.changesRelease() {
			r.Advice = "stopped by a signal; nothing in the cluster was changed"
		}
	})
}

func (s *session) end(err error, complete func(*record.Record)) int {
	s.once.Do(func() {
		rec := s.ledger.end(func(r *record.Record) {
			complete(r)
			r.Panics = record.Panics()
		})
		s.code = s.leave(s.hidden(rec), err)
	})
	return s.code
}

// changesRelease reports whether the command may change a release.
func (s *session) changesRelease() bool {
	switch s.name {
	case "deploy", "rollback":
		return !s.DryRun
	case "run", "gate", "recover":
		return true
	}
	return false
}

// changes reports whether the command may change anything that would be left
// half-way.
func (s *session) changes() bool {
	switch s.name {
	case "status", "preflight", "smoke", "verify", "validate", "scan":
		return false
	case "deploy", "rollback":
		return !s.DryRun
	}
	return true
}

// leave writes the record and says how it ended. A bug in that must not cost the
// exit code.
func (s *session) leave(rec record.Record, err error) int {
	s.screen.clear()
	code := exitCode(rec.Verdict, err)
	s.maskSuspects()
	problem := errors.Join(
		record.Guard(func() error { s.say(rec, err); return nil }),
		record.Guard(func() error { return s.write(rec) }),
		s.keepPanics(rec),
	)
	if problem != nil {
		fmt.Fprintf(s.stderr, "stagecrew %s: %s\n", s.name, oneLine(problem.Error()))
		if code == exitOK {
			return exitUnknown
		}
	}
	return code
}

// keepPanics writes down where this program broke, unless the record is kept.
func (s *session) keepPanics(rec record.Record) error {
	if len(rec.Panics) == 0 || s.Record != "" || s.Output == config.OutputJSON {
		return nil
	}
	f, err := os.CreateTemp("", "stagecrew-panic-*.txt")
	if err != nil {
		return fmt.Errorf("keeping the stack of a panic: %w", err)
	}
	for _, p := range rec.Panics {
		_, writeErr := fmt.Fprintf(f, "panic: %s\n\n%s\n", p.Value, p.Stack)
		err = errors.Join(err, writeErr)
	}
	s.log.Error("stagecrew itself failed; please report it with this file", "file", f.Name())
	return errors.Join(err, f.Close())
}

// guard ends the process when a run does not end by itself after a signal. It
// returns what takes the guard away.
func guard(ctx context.Context, s *session) (release func() bool) {
	after := giveUpAfter
	if !s.changes() {
		after = dropAfter
	}
	return context.AfterFunc(ctx, func() {
		time.AfterFunc(after, func() {
			// What cannot be written in time must not keep the process.
			time.AfterFunc(writeTime, func() { os.Exit(exitCancelled) })
			os.Exit(s.giveUp())
		})
	})
}

// attempt runs a command; a panic of it is an error like others.
func attempt(ctx context.Context, s *session, run func(context.Context, *session) error) error {
	err := record.Guard(func() error { return run(ctx, s) })
	var panicked *record.Panicked
	if !errors.As(err, &panicked) || record.KindOf(err) != record.KindUnknown {
		return err
	}
	return record.Unavailable("cli/panicked", "%w", err)
}

// say prints how it ended: for people as the last lines of the log, in Actions
// as an annotation, too.
func (s *session) say(rec record.Record, err error) {
	headline := report.Headline(rec)
	if err == nil && exitCode(rec.Verdict, nil) == exitOK {
		s.log.Info(headline)
		return
	}
	if rec.Cause != nil {
		s.log.Error(rec.Cause.String())
	}
	for line := range strings.Lines(rec.Error) {
		s.log.Error(strings.TrimRight(line, "\n"))
	}
	if rec.Error == "" {
		s.log.Error(headline)
	}
	if strings.HasSuffix(rec.Advice, presetAdvice) {
		s.log.Warn(presetAdvice)
	}
	if s.actions.Enabled() {
		s.actions.Error("stagecrew "+rec.Command, headline)
	}
}
