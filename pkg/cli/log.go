package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// lineHandler writes log records as one line each, for people:
// "12:00:01 deploy: watch revision=3". Text that is not plain is quoted, so that
// nothing from a cluster or registry can start a line of its own.
type lineHandler struct {
	mu     *sync.Mutex
	out    io.Writer
	prefix string
	attrs  string
	warn   func(text string)   // told the warnings, too; may be nil
	hide   func(string) string // takes secret values out of one text
	least  slog.Level          // of what is told
}

// newLog is a log like that of the console, elsewhere or under another name.
func (c *console) newLog(out io.Writer, name string) *slog.Logger {
	h := &lineHandler{mu: &sync.Mutex{}, out: out, prefix: name, warn: c.warn, hide: c.hide}
	if c.actions.Debugs() {
		h.least = slog.LevelDebug
	}
	return slog.New(h)
}

// maxWarnings is how many warnings become annotations: GitHub shows ten of a step.
const maxWarnings = 10

// annotator gives what makes annotations of warnings in GitHub Actions, each once,
// nil elsewhere.
func annotator(actions *gha.Actions, title string) func(string) {
	if !actions.Enabled() {
		return nil
	}
	var mu sync.Mutex
	told := map[string]bool{}
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if told[text] || len(told) == maxWarnings {
			return
		}
		told[text] = true
		actions.Warning(title, text)
	}
}

// Enabled leaves out debug messages, unless they were asked for.
func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least }

// Handle writes one line.
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s: ", r.Time.Format("15:04:05"), h.prefix)
	if r.Level != slog.LevelInfo {
		line.WriteString(strings.ToLower(r.Level.String()) + ": ")
	}
	line.WriteString(text.Visible(h.hide(r.Message)) + h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		line.WriteString(h.attr(a))
		return true
	})
	if r.Level == slog.LevelWarn && h.warn != nil {
		_, text, _ := strings.Cut(line.String(), "warn: ")
		h.warn(text)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, line.String()+"\n")
	return err
}

// WithAttrs gives a handler that adds attrs to each line.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.attrs += h.attr(a)
	}
	return &next
}

// WithGroup is not needed for lines: names stay flat.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }

func (h *lineHandler) attr(a slog.Attr) string {
	value := h.hide(a.Value.Resolve().String())
	if value == "" || strings.ContainsAny(value, " \t\r\n\"") {
		value = strconv.Quote(value)
	}
	return " " + a.Key + "=" + text.Visible(value)
}

// legible is a writer of lines in which everything that cannot be seen is written out: it
// could steer a terminal, or the eye.
type legible struct{ out io.Writer }

// Write passes on what a person can read.
func (l legible) Write(p []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(p) {
		if r == '\n' || r == '\t' {
			b.WriteRune(r)
			continue
		}
		b.WriteString(text.Visible(string(r)))
	}
	if _, err := io.WriteString(l.out, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
