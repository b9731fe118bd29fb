package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// What the supervisor tells the host while it starts, a line each: what it waits
// for, what is ready (with its seconds after a tab), and how the start ended.
const (
	lineStart    = "start "
	lineDone     = "done "
	lineRegistry = "registry-ready"
	lineReady    = "node-ready"
	lineFailed   = "node-failed "
)

// What is waited for beside the components.
const (
	nodeReady  = "node Ready"
	clusterDNS = "cluster DNS"
)

// PrintTime prints a line of progress: what is there, after how many seconds.
func PrintTime(out io.Writer, what, seconds string) {
	fmt.Fprintf(out, "%-24s %6s s\n", what, seconds)
}

// follow prints the progress, seeds the registry once it answers, and returns
// when both are done.
func follow(ctx context.Context, node Node, progress io.ReadCloser, out io.Writer, seed func(context.Context, Node) error) error {
	stop := context.AfterFunc(ctx, func() { progress.Close() })
	defer stop()
	seeded := make(chan error, 1)
	var waiting []string
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		line := lines.Text()
		if line == lineReady {
			return <-seeded // a node is ready only after its registry
		}
		if line == lineRegistry {
			go func() { seeded <- seed(ctx, node) }()
		} else if what, found := strings.CutPrefix(line, lineStart); found {
			waiting = append(waiting, what)
		} else if rest, found := strings.CutPrefix(line, lineDone); found {
			what, seconds, _ := strings.Cut(rest, "\t")
			waiting = slices.DeleteFunc(waiting, func(w string) bool { return w == what })
			PrintTime(out, what, seconds)
		} else if message, found := strings.CutPrefix(line, lineFailed); found {
			return errors.New(strings.ReplaceAll(message, "\t", "\n"))
		}
	}
	if ctx.Err() != nil {
		return node.notReady(ctx.Err(), waiting)
	}
	return fmt.Errorf("starting the node: its first process ended: %s", node.tail("init"))
}

// notReady says what was waited for in vain, with the end of each log.
func (n Node) notReady(cause error, waiting []string) error {
	var all strings.Builder
	for _, what := range waiting {
		log := what
		switch what {
		case nodeReady:
			log = "kubelet"
		case clusterDNS:
			log = "coredns"
		}
		fmt.Fprintf(&all, "\n%s is not ready", what)
		if !n.Has(what) { // the components of an add-on are waited for by their own names
			fmt.Fprintf(&all, "; %s", n.tail(log))
		}
	}
	return fmt.Errorf("waiting for the node: %w%s", cause, all.String())
}
