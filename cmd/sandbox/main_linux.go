// Command sandbox runs a real one-node Kubernetes with a registry on this
// machine, from Go modules alone. See README.md.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/cmd/sandbox/cluster"
	"github.com/stagecrew/stagecrew/cmd/sandbox/components"
)

func main() {
	if code, found := components.Run(filepath.Base(os.Args[0])); found {
		os.Exit(code)
	}
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// dispatch runs the hidden commands of the node, or the user's.
func dispatch(args []string) error {
	if len(args) == 2 && args[0] == cluster.InitArgument {
		return cluster.Init(args[1])
	}
	if len(args) == 2 && args[0] == cluster.SupervisorArgument {
		return cluster.Supervise(args[1])
	}
	return userCommand(args)
}
