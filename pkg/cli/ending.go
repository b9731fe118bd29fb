package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// ending is how a run ends: once, by its own end or by a signal.
type ending struct {
	once sync.Once
	code int
	// presetFailed says that the advice is about the default checks.
	presetFailed bool
}

// maxError bounds what is told of an error, in bytes: texts of others may be in it.
const maxError = 64 << 10

// finish completes the record, writes it where it belongs and gives the exit code.
// Whoever comes second waits for the first and gets its code.
func (s *session) finish(err error) int {
	err = coded(err)
	return s.end(err, func(r *record.Record) {
		r.Verdict = verdictOf(r.Verdict, err)
		if err != nil {
			r.Error, r.ErrorCode = text.Cut(err.Error(), maxError), record.CodeOf(err)
		}
		if r.Verdict == record.VerdictCancelled {
			r.ErrorCode = cancelledCode // what the signal did to the stages is no cause
		}
		var panicked *record.Panicked
		if errors.As(err, &panicked) && s.effect == pipeline.Release && r.Release != nil && r.Advice == "" {
			r.Advice = "stagecrew itself failed in the middle of its work; `stagecrew recover` or the next deploy finishes it"
		}
		if r.Verdict != record.VerdictCancelled && err != nil || r.Cause != nil {
			s.advise(r)
		}
	})
}

// cancelledCode is that of a run which a signal ended before anything was applied.
const cancelledCode = "cli/cancelled"

// coded is the error with a code, where it has none. A full disk has one name,
// whatever was written (aquasecurity/trivy#1796, opendatahub-io/notebooks#784).
func coded(err error) error {
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if kind := record.KindOf(err); full && (kind == record.KindUnknown || kind == record.KindUnavailable) {
		return record.Unavailable("cli/disk-full",
			"the disk is full where stagecrew writes: free some of it, or name a larger one (TMPDIR for what is temporary, --scan-cache-dir for databases): %w", err)
	}
	if err == nil || record.CodeOf(err) != "" {
		return err
	}
	if wrong := noTemporary(err); wrong != nil {
		return record.Unavailable("cli/no-temporary-folder", "the folder for temporary files cannot be used, give another one by TMPDIR: %w: %w", wrong, err)
	}
	return record.Unavailable("cli/unexpected", "%w", err)
}

// noTemporary is what is wrong with the folder for temporary files, where the error comes
// from there: an image made of one program has none (mikefarah/yq#461), and a variable may
// name one that is gone (latchset/clevis#306).
func noTemporary(err error) error {
	var at *fs.PathError
	if !errors.As(err, &at) || !strings.HasPrefix(filepath.Clean(at.Path)+"/", filepath.Clean(os.TempDir())+"/") {
		return nil
	}
	return takesFiles(os.TempDir())
}

// cancel is finish for a run that a signal has ended.
func (s *session) cancel(err error) int {
	s.Update(func(r *record.Record) { r.Verdict = record.VerdictCancelled })
	return s.finish(err)
}

// abort ends a command that did not stop by itself after a signal.
func (s *session) abort() int {
	return s.end(nil, func(r *record.Record) {
		r.Verdict, r.ErrorCode = record.VerdictCancelled, cancelledCode
		r.Advice = "stopped by a signal in the middle of its work; `stagecrew recover` or the next deploy finishes it"
		if s.effect != pipeline.Release {
			r.Advice = "stopped by a signal; nothing in the cluster was changed"
		}
	})
}

func (s *session) end(err error, close func(*record.Record)) int {
	s.once.Do(func() {
		rec := s.ledger.end(func(r *record.Record) {
			close(r)
			r.Panics = record.TakePanics()
		})
		s.code = s.complete(s.secrets.hidden(rec), err)
	})
	return s.code
}

// complete writes the record and says how it ended. A bug in that must not cost the
// exit code.
func (s *session) complete(rec record.Record, err error) int {
	s.console.screen.clear()
	code := exitCode(rec.Verdict, err)
	s.secrets.maskSuspects()
	problem := errors.Join(
		record.Guard(func() error { s.printResult(rec, err); return nil }),
		record.Guard(func() error { return s.write(rec) }),
		s.keepPanics(rec),
	)
	s.tell(rec)
	if problem != nil {
		fmt.Fprintf(s.console.out, "stagecrew %s: %s\n", s.console.name, text.Visible(coded(problem).Error()))
		if code == exitOK {
			return exitUnknown
		}
	}
	return code
}

// write leaves the record: as a file, on stdout, and as Actions outputs and summary.
func (s *session) write(rec record.Record) error {
	if s.Record != "" {
		document, err := report.Encode(rec)
		if err == nil {
			err = files.Write(s.Record, document, 0o600) // it holds logs of pods
		}
		if err != nil {
			return fmt.Errorf("writing record %s: %w", s.Record, err)
		}
	}
	if err := s.results.record(rec); err != nil {
		return err
	}
	if err := s.results.failed(); err != nil {
		return err
	}
	actions := s.console.actions
	if !actions.Enabled() {
		return nil
	}
	for _, o := range report.Set(rec, report.Paths{Record: s.Record, Evidence: s.evidenceDir}) {
		// A later step may print it.
		if err := actions.SetOutput(o[0], gha.Harmless(o[1])); err != nil {
			return fmt.Errorf("setting output %s: %w", o[0], err)
		}
	}
	return actions.Summary(report.Summary(rec))
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
	s.console.log.Error("stagecrew itself failed; please report it with this file", "file", f.Name())
	return errors.Join(err, f.Close())
}

// printResult prints how it ended: for people as the last lines of the log, in Actions
// as an annotation, too.
func (s *session) printResult(rec record.Record, err error) {
	headline := report.Headline(rec)
	if err == nil && exitCode(rec.Verdict, nil) == exitOK {
		s.console.log.Info(headline)
		return
	}
	if rec.Cause != nil {
		s.console.log.Error(rec.Cause.String())
	}
	for line := range strings.Lines(rec.Error) {
		s.console.log.Error(strings.TrimRight(line, "\n"))
	}
	if rec.Error == "" {
		s.console.log.Error(headline)
	}
	if record.KindOf(err) == record.KindInput {
		if file := s.above(); file != "" {
			s.console.log.Info("there is no "+config.DefaultFile+" in this folder, and one above it, which is not read: run it there, or give --config", "file", file)
		}
	}
	if s.presetFailed {
		s.console.log.Warn(presetAdvice)
	}
	if s.console.actions.Enabled() {
		title := "stagecrew " + rec.Command
		if code := rec.Code(); code != "" {
			title += " (" + code + ")"
		}
		s.console.actions.Error(title, gha.Harmless(report.Annotation(rec)))
	}
}
