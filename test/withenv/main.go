// Command withenv runs a command, the end-to-end tests as a rule, in an environment:
// a sandbox that is started for it and removed afterwards.
//
//	withenv -name e2e -- go test ./test/...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/stagecrew/stagecrew/test/env"
)

func main() {
	name := flag.String("name", "e2e", "name of the sandbox")
	with := flag.String("with", "", "add-ons of the sandbox, `NAME,...`")
	whole := flag.Bool("whole", false, "with what builds the whole Backstage of examples/backstage, too: E2E_WHOLE")
	keep := flag.Bool("keep", false, "leave the sandbox running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, env.Config{Name: *name, With: *with, Both: *whole, Log: os.Stderr}, *keep, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "withenv:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, c env.Config, keep bool, args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("no command given")
	}
	var err error
	if c.Root, err = os.Getwd(); err != nil {
		return 1, err
	}
	s, err := env.Up(ctx, c)
	defer down(s, keep)
	if err != nil {
		return 1, err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.Env(), os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

func down(s *env.Stage, keep bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Down(ctx, keep); err != nil {
		fmt.Fprintln(os.Stderr, "withenv:", err)
	}
}
