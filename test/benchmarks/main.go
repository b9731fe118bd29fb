// Command benchmarks measures stagecrew beside the tools that teams use for the same
// work, in pairs that alternate, and writes docs/benchmarks.md. It runs on a stage
// (bin/withenv), with the other tools in bin/tools:
//
//	make benchmarks
//	bin/benchmarks -table -results bin/benchmarks.json -document docs/benchmarks.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.warm, "warm", 7, "pairs of quick runs")
	flag.IntVar(&o.cold, "cold", 3, "pairs of cold builds")
	flag.DurationVar(&o.pause, "pause", 3*time.Second, "before each run, for what the one before left to do")
	flag.StringVar(&o.only, "only", "", "letters of the comparisons to run, such as ab; default all; the document keeps the others")
	flag.BoolVar(&o.table, "table", false, "measure nothing: write the document again")
	flag.StringVar(&o.results, "results", "", "file for what was measured, as JSON; what it has of other comparisons is kept")
	flag.StringVar(&o.document, "document", "", "Markdown file to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

type options struct {
	warm, cold        int
	pause             time.Duration
	only              string
	table             bool
	results, document string
}

// letters are those of the comparisons; from e on they are about the whole Backstage.
const letters = "abcdefg"

func (o options) check() error {
	switch {
	case o.results == "" || o.document == "":
		return errors.New("give -results and -document")
	case o.warm < 1 || o.cold < 1:
		return errors.New("give at least one pair with -warm and -cold")
	case strings.Trim(o.only, letters) != "":
		return fmt.Errorf("-only %q: want letters of %s", o.only, letters)
	}
	return nil
}

func run(ctx context.Context, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	all, err := load(o.results)
	if err != nil {
		return err
	}
	if o.table {
		return all.writeDocument(o.document)
	}
	l, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	all.under(l.conditions)
	for _, c := range []struct {
		letter string
		make   func(context.Context) (comparison, error)
		pairs  int
	}{{"a", l.warmBuild, o.warm}, {"b", l.coldBuild, o.cold}, {"c", l.scans, o.warm}, {"d", l.chain, o.warm},
		{"e", l.wholeCold, o.cold}, {"f", l.wholeChanged, o.warm}, {"g", l.wholeUpdated, o.cold}} {
		if o.only != "" && !strings.Contains(o.only, c.letter) {
			continue
		}
		result, err := c.make(ctx)
		if err == nil {
			err = l.measure(ctx, &result, c.pairs)
		}
		if err != nil {
			return fmt.Errorf("comparison %s: %w", c.letter, err)
		}
		all.Comparisons[c.letter] = result
		if err := all.write(o.results, o.document); err != nil {
			return err
		}
	}
	return nil
}
