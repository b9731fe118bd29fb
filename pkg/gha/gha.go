// Package gha speaks the workflow commands of GitHub Actions: outputs, masks,
// annotations, the step summary. It is the room of go-githubactions and adds what
// that library lacks: delimiters nobody can guess, limits, and a guard around
// text that is not ours.
package gha

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/sethvargo/go-githubactions"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// maxAnnotations is how many of each kind GitHub keeps per step.
	maxAnnotations = 10
	// maxSummary is the size above which GitHub drops a step's summary, in bytes;
	// it vanishes silently just below the documented 1 MiB.
	maxSummary = 1<<20 - 1<<14
)

// Actions is the runner of a workflow step, or nothing at all on a laptop.
type Actions struct {
	getenv  func(string) string
	out     io.Writer
	library *githubactions.Action

	mu     sync.Mutex
	counts map[string]int
	masked map[string]bool
}

// New reads the environment with getenv and writes commands to out, which must
// be the step's stdout or stderr.
func New(getenv func(string) string, out io.Writer) *Actions {
	return &Actions{
		getenv: getenv, out: out, counts: map[string]int{}, masked: map[string]bool{},
		library: githubactions.New(githubactions.WithWriter(out), githubactions.WithGetenv(getenv)),
	}
}

// Enabled reports whether this is a step of a workflow. Runners that start the steps of a
// `container:` job by hooks, as in Kubernetes, leave GITHUB_ACTIONS and CI out
// (actions/runner-container-hooks#211, actions/actions-runner-controller#4017); what the
// runner wants to be told about goes into files that it names there, too.
func (a *Actions) Enabled() bool {
	switch a.getenv("GITHUB_ACTIONS") {
	case "true":
		return true
	case "":
		return a.getenv("GITHUB_RUN_ID") != "" && a.getenv("GITHUB_OUTPUT") != ""
	}
	return false
}

// Run identifies the workflow run; empty on a laptop.
func (a *Actions) Run() record.Run {
	return record.Run{
		ID:      a.getenv("GITHUB_RUN_ID"),
		Attempt: a.getenv("GITHUB_RUN_ATTEMPT"),
		Actor:   a.getenv("GITHUB_ACTOR"),
		Commit:  a.getenv("GITHUB_SHA"),
	}
}

// Debugs reports whether the run was started again with debug logging, or the repository
// has it switched on.
func (a *Actions) Debugs() bool { return a.Enabled() && a.getenv("RUNNER_DEBUG") == "1" }

// maxMasks bounds how many masks a step makes: each is a line of its log, and the
// runner compares each with every line from then on.
const maxMasks = 400

// Mask hides a value in everything the runner prints from now on, also in base64.
// Each line of a longer value is hidden by itself, as the runner compares line by
// line. Beyond 400 lines nothing is masked: they are hidden where they are written.
func (a *Actions) Mask(value string) {
	if !a.Enabled() {
		return
	}
	for line := range strings.Lines(value) {
		a.mask(strings.TrimSpace(line))
	}
	if len(value) >= minMasked && len(value) <= maxMasked {
		a.mask(base64.StdEncoding.EncodeToString([]byte(value)))
	}
}

// The bounds of the values whose base64 is masked: that of a few bytes is in other
// words, too.
const minMasked, maxMasked = 6, 4 << 10

func (a *Actions) mask(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if line == "" || a.masked[line] || len(a.masked) >= maxMasks {
		return
	}
	a.masked[line] = true
	a.library.AddMask(line)
}

// SetOutput sets an output of the step. A value that holds the random delimiter
// is refused; without GITHUB_OUTPUT the output goes nowhere.
func (a *Actions) SetOutput(name, value string) error {
	delimiter, err := token("ghadelimiter_")
	if err != nil {
		return err
	}
	if strings.Contains(value, delimiter) || strings.ContainsAny(name, "\r\n=<") {
		return fmt.Errorf("output %q cannot be written safely", name)
	}
	return a.appendTo("GITHUB_OUTPUT", fmt.Sprintf("%s<<%s\n%s\n%s\n", name, delimiter, value, delimiter))
}

// Summary adds Markdown to the step's summary. What GitHub would drop for its
// size is cut, and a last line says so.
func (a *Actions) Summary(markdown string) error {
	if len(markdown) > maxSummary {
		cut := strings.ToValidUTF8(markdown[:maxSummary], "")
		markdown = cut + "\n\n_The summary was cut: GitHub drops what is larger than 1 MiB. The record holds all._\n"
	}
	return a.appendTo("GITHUB_STEP_SUMMARY", markdown)
}

// CanWrite tells by its error, of kind input, that what this step says at its end could
// not be written.
func (a *Actions) CanWrite() error {
	var problems []error
	for _, variable := range []string{"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"} {
		if !a.Enabled() {
			continue
		}
		if err := a.appendTo(variable, ""); err != nil {
			problems = append(problems, record.BadInput("gha/no-file", "%w", err))
		}
	}
	return record.Problems(problems...)
}

// appendTo adds text to the file that a variable names.
func (a *Actions) appendTo(variable, text string) error {
	path := a.getenv(variable)
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the file of %s: %w", variable, err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// Error makes an error annotation.
func (a *Actions) Error(title, message string) { a.annotate("error", title, message) }

// Warning makes a warning annotation.
func (a *Actions) Warning(title, message string) { a.annotate("warning", title, message) }

// annotate prints the annotation; from the eleventh of a kind on GitHub would
// drop it, so that it becomes a plain line.
func (a *Actions) annotate(kind, title, message string) {
	if !a.Enabled() {
		return
	}
	a.mu.Lock()
	a.counts[kind]++
	over := a.counts[kind] > maxAnnotations
	a.mu.Unlock()
	if over {
		a.Untrusted(kind + ": " + title + ": " + message)
		return
	}
	with := a.library.WithFieldsMap(map[string]string{"title": title})
	// The library takes a format; the message is not one.
	if kind == "error" {
		with.Errorf("%s", message)
		return
	}
	with.Warningf("%s", message)
}

// Group starts a group of log lines that the viewer can fold; end closes it.
func (a *Actions) Group(title string) (end func()) {
	if !a.Enabled() {
		return func() {}
	}
	a.library.Group(strings.ReplaceAll(title, "\n", " "))
	return a.library.EndGroup
}

// Untrusted prints foreign text between markers that keep the runner from obeying
// workflow commands in it.
func (a *Actions) Untrusted(text string) {
	marker, err := token("stop-")
	if err != nil || !a.Enabled() {
		// Without a marker, no line may look like a command.
		fmt.Fprintln(a.out, Harmless(text))
		return
	}
	fmt.Fprintf(a.out, "::stop-commands::%s\n%s\n::%s::\n", marker, text, marker)
}

func token(prefix string) (string, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("making a random delimiter: %w", err)
	}
	return prefix + hex.EncodeToString(random), nil
}
