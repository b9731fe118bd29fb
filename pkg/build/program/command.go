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

// tail shows lines to the log and keeps the last ones. The text is foreign.
type tail struct {
	log   *slog.Logger
	part  []byte
	lines []string
}

const (
	tailLines = 30
	maxLine   = 500      // bytes of a line that are shown
	maxPart   = 64 << 10 // bytes of a line that are read
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
	s = text.Line(s, maxLine)
	t.log.Debug("output", "line", s)
	t.lines = append(t.lines, s)
	t.lines = t.lines[max(0, len(t.lines)-tailLines):]
}

// String gives the last lines.
func (t *tail) String() string {
	return strings.Join(append(slices.Clone(t.lines), text.Line(string(t.part), maxLine)), "\n")
}
