// Package program runs the programs that do a part of a build, with as little of the
// environment as they need.
package program

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
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
	output.advise(err.Error()) // it may have been ended before it said anything
	return record.BadInput("build/command", "running `%s` in %q: %w; its last lines:\n%s", c.Shown, c.Dir, err, output)
}

// source is where a person gets a program that is not there, as the end of a message.
var source = map[string]string{
	"node": "; it is Node.js (actions/setup-node)",
	"npm":  "; it comes with Node.js (actions/setup-node)",
	"yarn": "; `corepack enable` or `npm install --global yarn` brings it, or commit it and name it in yarnPath of .yarnrc.yml",
}
