// Command stagecrew builds, scans, signs, deploys and, if need be, rolls back a
// release on Kubernetes. See the package cli for its commands and exit codes.
package main

import (
	"os"

	"github.com/stagecrew/stagecrew/pkg/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
