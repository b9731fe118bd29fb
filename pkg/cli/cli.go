// Package cli is the command line: the commands, what they print and hide, the record
// they leave and their exit codes. What a command does is its slice of the package
// pipeline; this one decides where results go: outputs, annotations, summary, files.
package cli

import (
	"context"
	"fmt"
	"io"
	"os/signal"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Main runs the command line and gives its exit code. environ is as of os.Environ.
func Main(args, environ []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...) //nolint:forbidigo // a run begins here
	defer stop()
	code := exitOK
	root := &cobra.Command{
		Use:           "stagecrew",
		Version:       programVersion(),
		Short:         "Builds, scans, signs, deploys, proves and rolls back a release on Kubernetes",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	for _, c := range config.Commands() {
		root.AddCommand(newCommand(c, &code, environ, stdout, stderr))
	}
	root.AddCommand(reportCommand(environ, stdout, stderr, &code), versionCommand(stdout))
	root.SetVersionTemplate("stagecrew {{.Version}}\n")
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	switch err := root.ExecuteContext(ctx); {
	case record.CodeOf(err) != "":
		fmt.Fprintf(stderr, "stagecrew: %s\n", stray(environ, err.Error()))
		return exitCode(record.VerdictError, err)
	case err != nil:
		fmt.Fprintf(stderr, "stagecrew: %s\nRun 'stagecrew --help' for the commands.\n", stray(environ, err.Error()))
		return exitUsage
	}
	return code
}

// newCommand makes the command that resolves the settings, runs its slice of the
// pipeline and leaves the record.
func newCommand(c config.Command, code *int, environ []string, stdout, stderr io.Writer) *cobra.Command {
	var settings config.Settings
	cmd := &cobra.Command{Use: c.Name, Short: c.Short, Long: c.Long, Args: settingsOnly}
	cmd.Flags().SortFlags = false
	c.Define(cmd.Flags(), &settings)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return config.FlagError(cmd.Flags(), err) })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		resolveErr := config.Resolve(cmd.Flags(), environ)
		settings.Place(cmd.Flags(), config.Lookup(environ)(config.DirVariable), c.Name)
		made := invocation{
			name: c.Name, settings: settings, environ: environ, stdout: stdout, stderr: stderr,
			isByDefault: func(setting string) bool { return isByDefault(cmd.Flags(), setting) },
			above:       func() string { return config.Above(cmd.Flags(), environ) },
			meaning:     pipeline.Commands()[c.Name],
		}
		s := newSession(made)
		defer outlast(s.effect)()
		defer s.console.catchStrays(stderr)()
		*code = s.run(cmd.Context(), made, resolveErr)
		return nil
	}
	return cmd
}

// isByDefault reports whether the command has the setting and it was not given.
func isByDefault(flags *pflag.FlagSet, setting string) bool {
	flag := flags.Lookup(setting)
	return flag != nil && !flag.Changed
}
