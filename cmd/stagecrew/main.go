// Command stagecrew builds, scans, signs, deploys and, if need be, rolls back a
// release on Kubernetes. See the package cli for how a command runs and its exit codes, and the
// package pipeline for what it does.
package main

import (
	"fmt"
	"os"

	_ "github.com/stagecrew/stagecrew/internal/atstart" // before all that takes memory
	"github.com/stagecrew/stagecrew/pkg/cli"
	"github.com/stagecrew/stagecrew/pkg/process"
)

func main() {
	// Before anything else: a build runs code of others, which must not see secrets.
	if err := process.Seclude(); err != nil {
		fmt.Fprintf(os.Stderr, "stagecrew: the environment of this process stays readable for the programs of a build: %v\n", err)
	}
	os.Exit(cli.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
