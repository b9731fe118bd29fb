// Command table makes docs/scenarios.md of what the scenario tests measured.
//
//	table DIR >docs/scenarios.md
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("give the directory of the results")
	}
	all, err := result.Load(args[0])
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("there are no results in %s", args[0])
	}
	return newDocument(all).write(out)
}
