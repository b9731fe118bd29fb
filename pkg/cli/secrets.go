package cli

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// withhold makes values secret: nothing that this run writes shows them, and in
// Actions nothing that a later step of the job prints.
func (s *session) withhold(values ...string) {
	s.mask(s.redactor.Add(values...))
}

func (s *session) mask(secrets []string) {
	for _, secret := range secrets {
		switch {
		case strings.Contains(secret, "\n"):
			// Its lines are secrets of their own, as far as they are: the runner would hide
			// every "{" of the job (actions/runner#326).
			s.actions.Mask(base64.StdEncoding.EncodeToString([]byte(secret)))
		case len(secret) >= shortestMask:
			s.actions.Mask(secret)
		}
	}
}

// objectName is what Kubernetes takes as the name of an object.
var objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

// suspect withholds values that may turn out to be names of objects. A mask cannot
// be taken back: these get theirs at the end.
func (s *session) suspect(values ...string) {
	for _, secret := range s.redactor.Add(values...) {
		if !objectName.MatchString(secret) {
			s.mask([]string{secret})
			continue
		}
		s.suspects.mu.Lock()
		s.suspects.values = append(s.suspects.values, secret)
		s.suspects.mu.Unlock()
	}
}

// suspects are values that get a mask unless they are names.
type suspects struct {
	mu     sync.Mutex
	values []string
}

func (s *session) maskSuspects() {
	s.suspects.mu.Lock()
	defer s.suspects.mu.Unlock()
	s.mask(slices.DeleteFunc(s.suspects.values, s.redactor.IsName))
	s.suspects.values = nil
}

// shortestMask is how many bytes a value must have for the runner to hide it: it
// does so in every word of every later step.
const shortestMask = 6

// ownSecrets are those that the run knows before it does anything: its credentials,
// what its settings give to the chart, and files that were given in place of their
// names.
func (s *session) ownSecrets(environ []string) {
	// What everybody knows; without it no line could be read.
	s.redactor.Public(s.Release, s.Namespace, s.Image, s.Repository, s.ToRepository, s.Chart, s.PublicURL)
	s.withhold(s.getenv("COSIGN_PASSWORD"), s.getenv("REGISTRY_PASSWORD"), s.getenv(config.VerdictKeyVariable))
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		isPath := strings.HasPrefix(value, "/") || strings.HasPrefix(value, "./")
		if redact.NameIsSecret(name) && !strings.HasPrefix(name, "STAGECREW_") && !isPath {
			s.redactor.Add(value) // the runner has masked it already, if it is one
		}
	}
	for _, one := range s.BuildArgs {
		s.withhold(redact.Assignment(one)...)
	}
	for _, one := range s.Set {
		s.suspect(redact.Assignment(one)...)
	}
	if s.misplaced() == nil {
		return
	}
	for _, path := range s.paths() {
		s.withhold(path.value + "\n") // a line of a document, whatever it is
	}
}

// path is a setting that names a file.
type path struct{ setting, value string }

func (s *session) paths() []path {
	all := []path{
		{"config", s.Config}, {"record", s.Record}, {"kubeconfig", s.Kubeconfig}, {"sign-key", s.SignKey}, {"verify-key", s.VerifyKey},
		{"signing-config", s.SigningConfig}, {"trusted-root", s.TrustedRoot}, {"smoke", s.Smoke}, {"chart", s.Chart},
		{"scan-ignore-file", s.ScanIgnoreFile}, {"evidence-dir", s.EvidenceDir}, {"dockerfile", s.Dockerfile},
	}
	for _, value := range s.Values {
		all = append(all, path{"values", value})
	}
	for _, value := range s.ScanVEX {
		all = append(all, path{"scan-vex", value})
	}
	return all
}

// document begins like the text of a file: YAML, JSON or PEM, also in base64.
var document = regexp.MustCompile(`^\s*(\{|-----BEGIN |---|["']?[\w.-]+["']?:(\s|$)|#)|-----BEGIN |^(LS0tLS1CRUdJTi|YXBpVmVyc2lvbj)`)

const (
	// maxPath and maxName are Linux' limits.
	maxPath, maxName = 4096, 255
)

// isContent reports whether a value is the text of a file instead of its name.
func isContent(value string) bool {
	if _, err := os.Stat(value); value == "" || err == nil {
		return false
	}
	if strings.ContainsAny(value, "\r\n") || len(value) > maxPath || document.MatchString(value) {
		return true
	}
	for part := range strings.SplitSeq(value, "/") {
		if len(part) > maxName {
			return true
		}
	}
	return false
}

// misplaced refuses the text of a file where its name is wanted, and does not
// repeat it: it may be a kubeconfig with a token.
func (s *session) misplaced() error {
	for _, path := range s.paths() {
		if isContent(path.value) {
			return record.BadInput("config/not-a-path", "--%s: this is the text of a file; give the path of the file", path.setting)
		}
	}
	return nil
}

// hidden is the record as it may leave this process.
func (s *session) hidden(r record.Record) record.Record {
	r = redact.Copy(s.redactor, r)
	if r.Cause != nil {
		s.silenced(r.Cause)
	}
	return r
}

// silenced leaves the message out of a cause that is a line of a log as such.
func (s *session) silenced(c *record.Cause) {
	if s.redactor.Muted() && c.Reason == "Log" {
		c.Message = "(left out)"
	}
}

// document writes a JSON document to stdout.
func (s *session) document(text []byte) error {
	if _, err := s.rawStdout.Write(report.Unspoken(s.redactor.JSON(text))); err != nil {
		return fmt.Errorf("writing to stdout: %w", err)
	}
	return nil
}

// unread is told of a Secret that pods use and this run cannot read. What they say
// may hold its values, so that it is left out from now on.
func (s *session) unread(name string, err error) {
	s.redactor.Mute(saying...)
	s.muted.Do(func() {
		s.log.Warn("a Secret that the pods use cannot be read, so that its values cannot be hidden: logs, last words and answers of pods are left out; grant the verb get on secrets",
			"secret", name, "because", err)
	})
}

// saying begins what a pod said, also to a probe or a lifecycle hook, where a kubelet
// repeats it.
var saying = []string{"it said: ", ": Log: ", "the end of its log: ", "probe failed: ", "probe errored: ", "probe warning: ", "PostStartHook failed: ", "PreStopHook failed: ",
	`, message: "`, `, message: \"`}

// answered is a text about the answer of a pod as it may be shown.
func (s *session) answered(text string) string {
	if s.redactor.Muted() {
		if end := strings.IndexAny(text, `:"`); end >= 0 {
			return text[:end] + " (the rest is left out)"
		}
	}
	return s.redactor.Text(text)
}

// stray makes a text fit to be shown that comes before there is a session.
func stray(environ []string, text string) string {
	text = (&redact.Redactor{}).Text(text)
	if gha.New(lookup(environ), io.Discard).Enabled() {
		return gha.Harmless(text)
	}
	return text
}
