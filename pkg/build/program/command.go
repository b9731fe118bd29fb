// Package program runs the programs that do a part of a build, with as little of the
// environment as they need.
package program

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Command is a program that does a part of the build.
type Command struct {
	Path  string
	Args  []string
	Dir   string
	Env   []string // all of it
	Shown string   // what the log calls it
	Log   *slog.Logger
}

// Run waits for the program. What it prints goes to the log, the end of it into the
// error.
func (c Command) Run(ctx context.Context) error {
	c.Log.Info("running", "command", c.Shown, "folder", c.Dir)
	start := time.Now()
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(c.Env, "PWD="+c.Dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	output := &tail{log: c.Log}
	cmd.Stdout, cmd.Stderr = output, output
	err := cmd.Run()
	if err == nil {
		c.Log.Info("done", "command", c.Shown, "seconds", time.Since(start).Round(100*time.Millisecond).Seconds())
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return record.BadInput("build/no-tool", "running `%s`: %s is not installed%s", c.Shown, c.Path, source[c.Path])
	}
	return record.BadInput("build/command", "running `%s` in %q: %w; its last lines:\n%s", c.Shown, c.Dir, err, output)
}

// source is where a person gets a program that is not there, as the end of a message.
var source = map[string]string{
	"node": "; it is Node.js (actions/setup-node)",
	"npm":  "; it comes with Node.js (actions/setup-node)",
	"yarn": "; `corepack enable` or `npm install --global yarn` brings it, or commit it and name it in yarnPath of .yarnrc.yml",
}

// tail shows lines to the log and keeps the last ones, and before them the first ones that
// tell of an error: npm prints a page about its options behind its reason. The text is
// foreign.
type tail struct {
	log     *slog.Logger
	part    []byte
	reasons []string // that are among the last ones no more
	lines   []string
}

// reason is how npm, Yarn 1, Yarn 4, tsc and backstage-cli begin a line about what is wrong.
var reason = regexp.MustCompile(`(?i)^\W*(npm )?(err!|error\b).*\w|\bYN\d{4}: .*(error|✘|forbidden|failed)|: error TS\d`)

// colours are what terminals are told in between.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

const (
	maxReasons = 8
	tailLines  = 30
	maxLine    = 500      // bytes of a line that are shown
	maxPart    = 64 << 10 // bytes of a line that are read
)

func (t *tail) Write(p []byte) (int, error) {
	t.part = append(t.part, p...)
	for {
		i := bytes.IndexByte(t.part, '\n')
		if i < 0 && len(t.part) < maxPart {
			return len(p), nil
		}
		if i < 0 {
			i = len(t.part) - 1
		}
		t.line(string(t.part[:i]))
		t.part = t.part[i+1:]
	}
}

func (t *tail) line(s string) {
	s = text.Line(colours.ReplaceAllString(s, ""), maxLine)
	t.log.Debug("output", "line", s)
	if t.lines = append(t.lines, s); len(t.lines) <= tailLines {
		return
	}
	if gone := t.lines[0]; len(t.reasons) < maxReasons && reason.MatchString(gone) {
		t.reasons = append(t.reasons, gone)
	}
	t.lines = t.lines[1:]
}

// String gives the first reasons and the last lines.
func (t *tail) String() string {
	last := append(slices.Clone(t.lines), text.Line(colours.ReplaceAllString(string(t.part), ""), maxLine))
	if len(t.reasons) > 0 {
		last = slices.Concat(t.reasons, []string{"…"}, last)
	}
	return strings.Join(last, "\n")
}
