// Package cli is the command line: the commands, their wiring to the
// stages, the record they leave and their exit codes. It is the only package
// that writes outputs, annotations and files.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// command is a command with what it does.
type command struct {
	config.Command
	run func(context.Context, *session) error
}

// runs are what the commands do, by name.
func runs() map[string]func(context.Context, *session) error {
	return map[string]func(context.Context, *session) error{
		"run": runAll, "build": runBuild, "scan": runScan, "sign": runSign, "verify": runVerify, "validate": runValidate, "promote": runPromote,
		"preflight": runPreflight, "deploy": runDeploy, "gate": runGate, "smoke": runSmoke, "rollback": runRollback, "recover": runRecover, "status": runStatus,
	}
}

// Main runs the command line and gives its exit code. environ is as of os.Environ.
func Main(args, environ []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	code := exitOK
	root := &cobra.Command{
		Use:           "stagecrew",
		Short:         "Builds, scans, signs, deploys, proves and rolls back a release on Kubernetes",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	for _, c := range config.Commands() {
		root.AddCommand(command{c, runs()[c.Name]}.cobra(&code, environ, stdout, stderr))
	}
	root.AddCommand(versionCommand(stdout))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "stagecrew: %s\nRun 'stagecrew --help' for the commands.\n", stray(environ, err.Error()))
		return exitUsage
	}
	return code
}

// cobra makes the command that resolves the settings, runs and leaves the record.
func (c command) cobra(code *int, environ []string, stdout, stderr io.Writer) *cobra.Command {
	var settings config.Settings
	cmd := &cobra.Command{Use: c.Name, Short: c.Short, Long: c.Long, Args: cobra.NoArgs}
	cmd.Flags().SortFlags = false
	c.Define(cmd.Flags(), &settings)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return config.FlagError(cmd.Flags(), err) })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		resolveErr := config.Resolve(cmd.Flags(), environ)
		s := newSession(c.Name, settings, environ, stdout, stderr)
		defer s.catchStrays(stderr)()
		smoke := cmd.Flags().Lookup("smoke")
		s.smokeByDefault = smoke != nil && !smoke.Changed
		if err := s.misplaced(); err != nil {
			s.Record = ""
			*code = s.finish(err)
			return nil
		}
		if resolveErr != nil {
			*code = s.finish(record.BadInput("config/invalid", "%w", resolveErr))
			return nil
		}
		defer guard(cmd.Context(), s)()
		err := attempt(cmd.Context(), s, c.run)
		if err != nil && errors.Is(cmd.Context().Err(), context.Canceled) {
			*code = s.cancel(err)
			return nil
		}
		*code = s.finish(err)
		return nil
	}
	return cmd
}
