package cli

import (
	"encoding/base64"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
)

// secrets are the values that nothing of this run may show, nor in Actions anything
// that a later step of the job prints.
type secrets struct {
	*redact.Redactor
	actions  *gha.Actions
	log      *slog.Logger
	muted    sync.Once // told that something is left out
	suspects suspects
}

// Withhold makes values secret.
func (s *secrets) Withhold(values ...string) { s.mask(s.Add(values...)) }

func (s *secrets) mask(secrets []string) {
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

// Suspect withholds values that may turn out to be names of objects. A mask cannot
// be taken back: these get theirs at the end.
func (s *secrets) Suspect(values ...string) {
	for _, secret := range s.Add(values...) {
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

func (s *secrets) maskSuspects() {
	s.suspects.mu.Lock()
	defer s.suspects.mu.Unlock()
	s.mask(slices.DeleteFunc(s.suspects.values, s.IsName))
	s.suspects.values = nil
}

// shortestMask is how many bytes a value must have for the runner to hide it: it
// does so in every word of every later step.
const shortestMask = 6

// learn adds those that the run knows before it does anything: its credentials, what
// its settings give to the chart, and files that were given in place of their names.
func (s *secrets) learn(c config.Settings, environ []string) {
	c = withCredentials(c, environ)
	// What everybody knows; without it no line could be read.
	s.Public(c.Release, c.Namespace, c.Image, c.Repository, c.ToRepository, c.Chart, c.PublicURL)
	s.Withhold(c.Hidden()...)
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		isPath := strings.HasPrefix(value, "/") || strings.HasPrefix(value, "./")
		if redact.NameIsSecret(name) && !strings.HasPrefix(name, "STAGECREW_") && !isPath {
			s.Add(value) // the runner has masked it already, if it is one
		}
	}
	for _, one := range c.BuildArgs {
		s.Withhold(redact.Assignment(one)...)
	}
	for _, one := range c.Set {
		s.Suspect(redact.Assignment(one)...)
	}
	if misplaced(c) == nil {
		return
	}
	for _, path := range c.Paths() {
		s.Withhold(path.Value + "\n") // a line of a document, whatever it is
	}
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
func misplaced(c config.Settings) error {
	for _, path := range c.Paths() {
		if isContent(path.Value) {
			return record.BadInput("config/not-a-path", "--%s: this is the text of a file; give the path of the file", path.Setting)
		}
	}
	return nil
}

// hidden is the record as it may leave this process.
func (s *secrets) hidden(r record.Record) record.Record {
	r = redact.Copy(s.Redactor, r)
	if r.Cause != nil {
		s.silenced(r.Cause)
	}
	return r
}

// silenced leaves the message out of a cause that is a line of a log as such.
func (s *secrets) silenced(c *record.Cause) {
	if s.Muted() && c.Reason == record.ReasonLog {
		c.Message = "(left out)"
	}
}

// Unread is told of a Secret that pods use and this run cannot read. What they say
// may hold its values, so that it is left out from now on.
func (s *secrets) Unread(name string, err error) {
	s.Mute(record.Saying...)
	s.muted.Do(func() {
		s.log.Warn("a Secret that the pods use cannot be read, so that its values cannot be hidden: logs, last words and answers of pods are left out; grant the verb get on secrets",
			"secret", name, "because", err)
	})
}

// Answer is a text about the answer of a pod as it may be shown.
func (s *secrets) Answer(text string) string {
	if s.Muted() {
		if end := strings.IndexAny(text, `:"`); end >= 0 {
			return text[:end] + " (the rest is left out)"
		}
	}
	return s.Text(text)
}

// stray makes a text fit to be shown that comes before there is a session.
func stray(environ []string, text string) string {
	text = (&redact.Redactor{}).Text(text)
	if gha.New(config.Lookup(environ), io.Discard).Enabled() {
		return gha.Harmless(text)
	}
	return text
}
