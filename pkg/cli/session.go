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

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// session is one run of one command: its settings, its log and the record it fills.
type session struct {
	config.Settings
	log     *slog.Logger
	stdout  io.Writer
	stderr  io.Writer
	screen  *screen
	actions *gha.Actions
	record  pipeline.Record
	getenv  func(string) string
	// gate is how revisions are judged.
	gate func() (gate, error)
	// documents are what the scan of this run found, by the kind of attestation.
	documents map[string]json.RawMessage
	built     bool // by this run

	groups sync.Mutex // held while a group of log lines is written

	mu   sync.Mutex // guards record where stages run side by side, and what follows
	last pipeline.Record
	over bool
}

func newSession(name string, settings config.Settings, environ []string, stdout, stderr io.Writer) *session {
	getenv := lookup(environ)
	s := &session{Settings: settings, stdout: stdout, getenv: getenv}
	s.SignPassword, s.VerdictKey = []byte(getenv("COSIGN_PASSWORD")), []byte(getenv(config.VerdictKeyVariable))
	s.actions = gha.New(getenv, stderr)
	s.RegistryUsername, s.RegistryPassword = getenv("REGISTRY_USERNAME"), getenv("REGISTRY_PASSWORD")
	for _, secret := range []string{"COSIGN_PASSWORD", "REGISTRY_PASSWORD", config.VerdictKeyVariable} {
		s.actions.Mask(getenv(secret))
	}
	// Parts of the log are texts of registries, clusters and containers.
	s.screen = newScreen(stderr)
	s.stderr = s.actions.Guarded(s.screen)
	s.log = newLog(s.stderr, name)
	// Libraries that log by themselves must not get past the guard.
	log.SetFlags(0)
	log.SetOutput(s.stderr)
	s.record = pipeline.Record{Schema: pipeline.RecordSchema, Command: name, Run: s.actions.Run()}
	s.snapshot(s.record)
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
	p := pipeline.Phase{Name: name, Start: time.Now(), Result: "ok"}
	err := stage()
	p.End = time.Now()
	if err != nil {
		p.Result = "failed"
	}
	s.update(func(r *pipeline.Record) { r.Phases = append(r.Phases, p) })
	return err
}

// update changes the record, also from stages that run side by side.
func (s *session) update(change func(*pipeline.Record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.record)
	s.last = s.record
}

// snapshot keeps the record as it stands, for a process that must end at once.
func (s *session) snapshot(r pipeline.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = r
}

// giveUpAfter is how long after a signal the process ends in any case: GitHub
// kills it after ten seconds, and what it did must be on record by then.
const giveUpAfter = 7500 * time.Millisecond

// giveUp ends a command that did not stop by itself after a signal; false when it
// is ending already.
func (s *session) giveUp() (code int, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return 0, false
	}
	s.over = true
	s.record = s.last
	s.record.Verdict = pipeline.VerdictCancelled
	s.record.Advice = "stopped by a signal in the middle of its work; `stagecrew recover` or the next deploy finishes it"
	return s.leave(nil), true
}

// finish completes the record, writes it where it belongs and gives the exit code.
func (s *session) finish(err error) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	return s.leave(err)
}

func (s *session) leave(err error) int {
	s.screen.clear()
	if err != nil {
		s.record.Error = err.Error()
	}
	s.record.Verdict = verdictOf(s.record.Verdict, err)
	code := exitCode(s.record.Verdict, err)
	s.say(err)
	if writeErr := s.write(); writeErr != nil {
		fmt.Fprintf(s.stderr, "stagecrew %s: %v\n", s.record.Command, writeErr)
		if code == exitOK {
			return exitUnknown
		}
	}
	return code
}

// say prints how it ended: for people as the last lines of the log, in Actions
// as an annotation, too.
func (s *session) say(err error) {
	headline := report.Headline(s.record)
	if err == nil && exitCode(s.record.Verdict, nil) == exitOK {
		s.log.Info(headline)
		return
	}
	if s.record.Cause != nil {
		s.log.Error(s.record.Cause.String())
	}
	for line := range strings.Lines(s.record.Error) {
		s.log.Error(strings.TrimRight(line, "\n"))
	}
	if s.record.Error == "" {
		s.log.Error(headline)
	}
	if s.actions.Enabled() {
		s.actions.Error("stagecrew "+s.record.Command, headline)
	}
}

// write leaves the record: as a file, on stdout, and as Actions outputs and summary.
func (s *session) write() error {
	if s.Record != "" {
		if err := report.WriteFile(s.Record, s.record); err != nil {
			return fmt.Errorf("writing record %s: %w", s.Record, err)
		}
	}
	if s.Output == config.OutputJSON {
		document, err := report.Encode(s.record)
		if err != nil {
			return err
		}
		if _, err := s.stdout.Write(document); err != nil {
			return fmt.Errorf("writing the record to stdout: %w", err)
		}
	}
	if !s.actions.Enabled() {
		return nil
	}
	for _, o := range s.outputs() {
		if err := s.actions.SetOutput(o[0], o[1]); err != nil {
			return fmt.Errorf("setting output %s: %w", o[0], err)
		}
	}
	return s.actions.Summary(report.Summary(s.record))
}

// outputs are the step outputs of every command, in a fixed order.
func (s *session) outputs() [][2]string {
	r := s.record
	all := [][2]string{
		{"verdict", string(r.Verdict)},
		{"image", r.Image.String()},
		{"digest", r.Image.Digest},
		{"record", s.Record},
		{"evidence", s.evidence()},
	}
	if r.Release != nil {
		all = append(all,
			[2]string{"revision", number(r.Release.Revision)},
			[2]string{"previous-good", number(r.Release.PreviousGood)},
			[2]string{"live-revision", number(r.Release.Live)})
	}
	if r.Scan != nil {
		all = append(all, [2]string{"blocking", fmt.Sprint(len(r.Scan.Blocking))})
		for _, severity := range pipeline.Severities() {
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
func (s *session) evidence() string {
	if len(s.record.Evidence) == 0 {
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
