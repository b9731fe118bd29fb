// Command sandbox runs a real one-node Kubernetes with a registry on this
// machine, from Go modules alone. See README.md.
package main

import (
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/cmd/sandbox/commands"
	"github.com/stagecrew/stagecrew/cmd/sandbox/components"
)

func main() {
	code, found := components.Run(filepath.Base(os.Args[0]))
	if !found {
		code = commands.Run(os.Args[1:])
	}
	os.Exit(code)
}
