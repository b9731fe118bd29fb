package build

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

// command is a program that does a part of the build.
type command struct {
	path  string
	args  []string
	dir   string
	env   []string // all of it
	shown string   // what the log calls it
	log   *slog.Logger
}

// run starts the package manager.
func (m manager) run(ctx context.Context, dir string, args, env []string, log *slog.Logger) error {
	c := command{path: m.command[0], args: slices.Concat(m.command[1:], args), dir: dir, log: log,
		env: append(env, "YARN_ENABLE_TELEMETRY=0", "NPM_CONFIG_UPDATE_NOTIFIER=false", "CI=true")}
	c.shown = strings.Join(append([]string{c.path}, c.args...), " ")
	return c.run(ctx)
}

// run waits for the program. What it prints goes to the log, the end of it into the
// error.
func (c command) run(ctx context.Context) error {
	c.log.Info("running", "command", c.shown, "folder", c.dir)
	start := time.Now()
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append(c.env, "PWD="+c.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	output := &tail{log: c.log}
	cmd.Stdout, cmd.Stderr = output, output
	err := cmd.Run()
	if err == nil {
		c.log.Info("done", "command", c.shown, "seconds", time.Since(start).Round(100*time.Millisecond).Seconds())
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return record.BadInput("build/no-tool", "running `%s`: %s is not installed", c.shown, c.path)
	}
	return record.BadInput("build/command", "running `%s` in %q: %w; its last lines:\n%s", c.shown, c.dir, err, output)
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
