package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// session is one run of one command: its settings, its log and the record it fills.
type session struct {
	config.Settings
	log     *slog.Logger
	warn    func(string) // makes annotations, nil outside of GitHub Actions
	stdout  io.Writer
	stderr  io.Writer
	screen  *screen
	actions *gha.Actions
	name    string // of the command
	// redactor knows the secrets; rawStdout is stdout without it and the guard, for
	// documents that have passed them.
	redactor  *redact.Redactor
	rawStdout io.Writer
	muted     sync.Once // told that something is left out
	suspects  suspects
	ledger
	ending
	getenv  func(string) string
	environ []string // as of os.Environ
	// smokeByDefault says that nobody gave --smoke: the checks are Backstage's.
	smokeByDefault bool
	// gate is how revisions are judged.
	gate func() (gate, error)
	// documents are what the scan of this run found, by the kind of attestation.
	documents map[string]json.RawMessage
	built     bool // by this run
	charts    release.Charts

	groups sync.Mutex // held while a group of log lines is written
}

func newSession(name string, settings config.Settings, environ []string, stdout, stderr io.Writer) *session {
	getenv := lookup(environ)
	s := &session{Settings: settings, name: name, rawStdout: stdout, getenv: getenv, environ: environ, redactor: &redact.Redactor{}}
	s.SignPassword, s.VerdictKey = []byte(getenv("COSIGN_PASSWORD")), []byte(getenv(config.VerdictKeyVariable))
	s.actions = gha.New(getenv, stderr)
	s.RegistryUsername, s.RegistryPassword = getenv("REGISTRY_USERNAME"), getenv("REGISTRY_PASSWORD")
	s.ownSecrets(environ)
	// Parts of the log are texts of registries, clusters and containers.
	s.screen = newScreen(stderr)
	s.screen.hide = s.redactor.Text
	s.stdout = s.redactor.Writer(legible{s.actions.Guarded(stdout)})
	s.stderr = s.redactor.Writer(legible{s.actions.Guarded(s.screen)})
	s.warn = annotator(s.actions, "stagecrew "+name)
	s.log = newLog(s.stderr, name, s.warn, s.redactor.Text)
	// Libraries that log by themselves must not get past the guard.
	slog.SetDefault(s.log)
	log.SetFlags(0)
	log.SetOutput(s.stderr)
	logrus.SetOutput(s.stderr)
	staying()
	s.update(func(r *record.Record) {
		*r = record.Record{Schema: record.RecordSchema, Command: name, Run: s.actions.Run()}
	})
	s.gate = sync.OnceValues(s.readGate)
	return s
}

func lookup(environ []string) func(string) string {
	values := map[string]string{}
	for _, line := range environ {
		key, value, _ := strings.Cut(line, "=")
		values[key] = value
	}
	return func(key string) string { return values[key] }
}

// phase runs one stage and notes its time and result in the record.
func (s *session) phase(name string, stage func() error) error { return s.noted(name, s.log, stage) }

func (s *session) noted(name string, log *slog.Logger, stage func() error) error {
	log.Info(name)
	p := record.Phase{Name: name, Start: time.Now(), Result: record.PhaseOK}
	err := stage()
	p.End = time.Now()
	if err != nil {
		p.Result = record.PhaseFailed
	}
	s.update(func(r *record.Record) { r.Phases = append(r.Phases, p) })
	return err
}

// write leaves the record: as a file, on stdout, and as Actions outputs and summary.
func (s *session) write(rec record.Record) error {
	if s.Record != "" {
		if err := report.WriteFile(s.Record, rec); err != nil {
			return fmt.Errorf("writing record %s: %w", s.Record, err)
		}
	}
	if s.Output == config.OutputJSON {
		document, err := report.Encode(rec)
		if err != nil {
			return err
		}
		if err := s.document(document); err != nil {
			return err
		}
	}
	if !s.actions.Enabled() {
		return nil
	}
	for _, o := range s.outputs(rec) {
		// A later step may print it.
		if err := s.actions.SetOutput(o[0], gha.Harmless(o[1])); err != nil {
			return fmt.Errorf("setting output %s: %w", o[0], err)
		}
	}
	return s.actions.Summary(report.Summary(rec))
}

// outputs are the step outputs of every command, in a fixed order.
func (s *session) outputs(r record.Record) [][2]string {
	all := [][2]string{
		{"verdict", string(r.Verdict)},
		{"image", r.Image.String()},
		{"digest", r.Image.Digest},
		{"record", s.Record},
		{"evidence", s.evidence(r)},
	}
	if r.Release != nil {
		all = append(all,
			[2]string{"revision", number(r.Release.Revision)},
			[2]string{"previous-good", number(r.Release.PreviousGood)},
			[2]string{"live-revision", number(r.Release.Live)})
	}
	if r.Scan != nil {
		all = append(all, [2]string{"blocking", fmt.Sprint(len(r.Scan.Blocking))})
		for _, severity := range record.Severities() {
			all = append(all, [2]string{strings.ToLower(string(severity)), fmt.Sprint(r.Scan.Counts[severity])})
		}
	}
	if tags := r.TagsHere(); len(tags) > 0 {
		all = append(all, [2]string{"tags", strings.Join(tags, ",")})
	}
	if r.Cause != nil {
		all = append(all, [2]string{"cause-code", r.Cause.Code}, [2]string{"cause", r.Cause.String()})
	}
	return all
}

// evidence is the directory of the evidence, "" without any.
func (s *session) evidence(r record.Record) string {
	if len(r.Evidence) == 0 {
		return ""
	}
	return s.EvidenceDir
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
