// Command benchmarks measures stagecrew beside the tools that teams use for the same
// work, in pairs that alternate, and writes docs/benchmarks.md. It runs on a stage
// (bin/withstage), with the other tools in bin/tools:
//
//	make benchmarks
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	var o options
	flag.IntVar(&o.warm, "warm", 7, "pairs of quick runs")
	flag.IntVar(&o.cold, "cold", 3, "pairs of cold builds")
	flag.StringVar(&o.only, "only", "", "letters of the comparisons to run, such as ab; default all")
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
	only              string
	results, document string
}

func run(ctx context.Context, o options) error {
	all := map[string]comparison{}
	if text, err := os.ReadFile(o.results); err == nil {
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("reading %q: %w", o.results, err)
		}
	}
	l, err := open(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	for _, c := range []struct {
		letter string
		run    func(context.Context, options) (comparison, error)
	}{{"a", l.warmBuild}, {"b", l.coldBuild}, {"c", l.scans}, {"d", l.chain}} {
		if o.only != "" && !strings.Contains(o.only, c.letter) {
			continue
		}
		result, err := c.run(ctx, o)
		if err != nil {
			return fmt.Errorf("comparison %s: %w", c.letter, err)
		}
		all[c.letter] = result
		if err := save(o, all); err != nil {
			return err
		}
	}
	return nil
}

func save(o options, all map[string]comparison) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.results), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(o.results, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(o.document, []byte(document(all)), 0o644)
}
