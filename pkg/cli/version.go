package cli

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is that of a release, which its build sets (-ldflags -X); else what the Go
// toolchain recorded counts.
var version string

// programVersion names this program, "1.4.0" or, from other builds, "(devel)".
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// versionCommand prints it.
func versionCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(stdout, "stagecrew", programVersion())
			return coded(err)
		},
	}
}
