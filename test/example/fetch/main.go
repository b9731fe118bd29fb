// Command fetch installs examples/minimal while the programs that need it are compiled.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/stagecrew/stagecrew/test/example"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root, err := os.Getwd()
	if err == nil {
		_, err = example.Installed(ctx, root, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetching what the example is built with:", err)
		os.Exit(1)
	}
}
