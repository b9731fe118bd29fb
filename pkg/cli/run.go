package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// abortAfter is how long after a signal the process ends in any case: GitHub
	// kills it after ten seconds, and what it did must be on record by then.
	abortAfter = 7500 * time.Millisecond
	// dropAfter is the same for a command that changes nothing: there is nothing to
	// bring to an end.
	dropAfter = 700 * time.Millisecond
	// writeTime bounds the writing of the record and the outputs after a signal.
	writeTime = 1500 * time.Millisecond
)

// run runs the slice of the pipeline that the command stands for and gives the exit
// code.
func (s *session) run(ctx context.Context, c invocation, resolveErr error) int {
	if err := misplaced(c.settings); err != nil {
		s.Record = ""
		return s.finish(err)
	}
	wrong := s.checkPlaces(c.settings)
	if resolveErr != nil {
		wrong = errors.Join(record.BadInput("config/invalid", "%w", resolveErr), wrong)
	}
	switch {
	case errors.Is(resolveErr, config.ErrFile):
		return s.finish(wrong) // what the stages miss may stand in the file
	case wrong != nil:
		return s.finish(errors.Join(wrong, attempt(func() error {
			return pipeline.Check(c.meaning, withCredentials(c.settings, c.environ), s.host(c.environ))
		})))
	}
	defer guard(ctx, s)()
	err := attempt(func() error {
		return pipeline.Run(ctx, c.meaning, withCredentials(c.settings, c.environ), s.host(c.environ))
	})
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return s.cancel(err)
	}
	return s.finish(err)
}

// withCredentials adds the secrets that come from the environment only.
func withCredentials(settings config.Settings, environ []string) config.Settings {
	settings.Read(config.Lookup(environ))
	return settings
}

// guard ends the process when a run does not end by itself after a signal. It
// returns what takes the guard away.
func guard(ctx context.Context, s *session) (release func() bool) {
	after := abortAfter
	if s.effect == pipeline.Nothing {
		after = dropAfter
	}
	return context.AfterFunc(ctx, func() {
		time.AfterFunc(after, func() {
			// What cannot be written in time must not keep the process.
			time.AfterFunc(writeTime, func() { os.Exit(exitCancelled) })
			os.Exit(s.abort())
		})
	})
}

// attempt runs a command; a panic of it is an error like others.
func attempt(run func() error) error {
	err := record.Guard(run)
	var panicked *record.Panicked
	if !errors.As(err, &panicked) || record.KindOf(err) != record.KindUnknown {
		return err
	}
	return record.Unavailable("cli/panicked", "%w", err)
}
