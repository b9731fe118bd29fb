package cli

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// invocation is how a command was called.
type invocation struct {
	name           string
	meaning        pipeline.Command
	settings       config.Settings
	environ        []string
	stdout, stderr io.Writer
	// isByDefault reports whether the command has a setting and it was not given.
	isByDefault func(setting string) bool
	// above looks for a stagecrew.yaml in a folder above, "" for none.
	above func() string
}

// session is what one run of one command writes, and how it ends.
type session struct {
	config.Common
	evidenceDir string
	release     string
	effect      pipeline.Effect
	// smokeByDefault says that --smoke was not given: the checks are Backstage's.
	smokeByDefault bool
	// evidenceByDefault says that --evidence-dir was not given.
	evidenceByDefault bool
	above             func() string // as of the invocation

	console *console
	results *results
	secrets *secrets
	ledger
	ending
	tellers
}

func newSession(c invocation) *session {
	s := &session{
		Common: c.settings.Common, evidenceDir: c.settings.EvidenceDir, release: c.settings.Release, effect: c.meaning.Effect,
		smokeByDefault: c.isByDefault("smoke"), evidenceByDefault: c.isByDefault("evidence-dir"), above: c.above,
	}
	if c.settings.DryRun {
		s.effect = pipeline.Nothing
	}
	actions := gha.New(config.Lookup(c.environ), c.stderr)
	s.secrets = &secrets{Redactor: &redact.Redactor{}, actions: actions}
	s.secrets.learn(c.settings, c.environ)
	s.hide = s.secrets.hidden
	s.console = newConsole(c.name, actions, s.secrets, c.stderr)
	s.console.ledger, s.secrets.log = &s.ledger, s.console.log
	out := &noting{out: c.stdout}
	s.results = &results{form: c.settings.Output, raw: out, stdout: s.secrets.Writer(legible{actions.Guarded(out)}), secrets: s.secrets, lost: out}
	s.Update(func(r *record.Record) {
		*r = record.Record{Schema: record.RecordSchema, Command: c.name, Run: actions.Run(), LooksOnly: c.meaning.Effect == pipeline.Nothing}
	})
	return s
}

// newConsole makes the console, also for libraries that log by themselves: they must
// not get past the guard. Parts of the log are texts of registries, clusters and
// containers.
func newConsole(name string, actions *gha.Actions, known *secrets, stderr io.Writer) *console {
	c := &console{name: name, actions: actions, hide: known.Text, screen: newScreen(stderr), warn: annotator(actions, "stagecrew "+name)}
	c.screen.hide = known.Text
	c.out = known.Writer(legible{actions.Guarded(c.screen)})
	c.log = c.newLog(c.out, name)
	slog.SetDefault(c.log)
	log.SetFlags(0)
	log.SetOutput(c.out)
	logrus.SetOutput(c.out)
	staying()
	return c
}

// host is what the stages get of this run.
func (s *session) host(environ []string) pipeline.Host {
	return pipeline.Host{
		Log: s.console.log, Actions: s.console.actions, Environ: environ, Getenv: config.Lookup(environ), Version: programVersion(),
		Ledger: &s.ledger, Console: s.console, Results: s.results, Secrets: s.secrets, Keep: s.keepEvidence, Picture: s.keepPicture, AtEnd: s.atEnd,
	}
}

// keepEvidence writes evidence into a directory of its own.
func (s *session) keepEvidence(e record.Evidence) ([]string, error) {
	dir := filepath.Join(s.evidenceDir, fmt.Sprintf("%s-%s", s.release, time.Now().UTC().Format("20060102T150405Z")))
	if s.secrets.Muted() {
		e.Logs = nil
		s.secrets.silenced(&e.Cause)
	}
	files, err := report.WriteEvidence(dir, redact.Copy(s.secrets.Redactor, e))
	if err == nil {
		s.console.log.Info("evidence kept", "directory", dir, "files", len(files))
	}
	return files, err
}

// keepPicture writes what a browser saw. No secret can be taken out of it, so that there is
// none where not all secrets are known.
func (s *session) keepPicture(name string, png []byte) (string, error) {
	if s.secrets.Muted() {
		return "", nil
	}
	return report.WritePicture(s.evidenceDir, s.secrets.Text(name), png)
}
