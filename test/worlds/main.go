// Command worlds has the product build and start the workspaces that
// @backstage/create-app made over the years, and writes docs/worlds.md. It runs on a
// stage (bin/withenv) and needs the npm registry, python3, make and a C++ compiler:
//
//	make worlds
//	make worlds WORLDS_FLAGS="-only 1.50.0"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// world is one release of Backstage and how its workspace is installed.
type world struct {
	Backstage, CreateApp string
	NPM                  bool // with npm in place of the Yarn that it brings
}

// worlds are what is tried. Older ones are no longer in the registry that the suite was
// written with; one line makes one more.
var worlds = []world{
	{Backstage: "1.41.0", CreateApp: "0.7.1"},
	{Backstage: "1.43.0", CreateApp: "0.7.4"},
	{Backstage: "1.47.0", CreateApp: "0.7.8", NPM: true},
	{Backstage: "1.50.0", CreateApp: "0.8.2"},
	{Backstage: "1.53.0", CreateApp: "0.9.0", NPM: true},
	{Backstage: "1.54.0", CreateApp: "0.9.1"},
	{Backstage: "1.55.0", CreateApp: "0.9.2"},
}

func main() {
	document := flag.String("document", "", "Markdown `FILE` to write; what it has of other releases stays")
	work := flag.String("work", "", "`FOLDER` for the installers' caches, which stay there")
	only := flag.String("only", "", "the `VERSION,...` of Backstage to try; the other rows of the document stay as they are")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *work, *document, *only); err != nil {
		fmt.Fprintln(os.Stderr, "worlds:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, work, document, only string) error {
	if out, err := exec.CommandContext(ctx, "npm", "view", "@backstage/create-app", "version").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "worlds: SKIPPED, NOTHING WAS TRIED: the npm registry does not answer: %s\n", end(string(out)))
		return nil //nolint:nilerr // nothing was tried, and that was said
	}
	if work == "" || document == "" {
		return errors.New("give -work and -document")
	}
	l, err := newLab(ctx, work)
	if err != nil {
		return err
	}
	versions, err := l.versions(ctx, "@backstage/create-app")
	if err != nil {
		return err
	}
	all, err := measured(document)
	if err != nil {
		return err
	}
	var problems []error
	for _, w := range worlds {
		if only != "" && !slices.Contains(strings.Split(only, ","), w.Backstage) {
			continue
		}
		r, err := l.try(ctx, w)
		if err != nil {
			problems = append(problems, fmt.Errorf("backstage %s: %w", w.Backstage, err))
		}
		all[w.Backstage] = r.row()
		if err := all.write(document, versions[0]); err != nil {
			return err
		}
	}
	return errors.Join(problems...)
}

// try makes, builds and starts one of them. Little is left: a workspace has 2 GB.
func (l *lab) try(ctx context.Context, w world) (r result, err error) {
	r.World = w
	dir := filepath.Join(l.dir, "backstage-"+strings.ReplaceAll(w.Backstage, ".", "-"))
	if err := os.RemoveAll(dir); err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for _, step := range []func() error{
		func() error { return l.create(ctx, w, dir) },
		func() error { return l.lock(ctx, &r, dir) },
		func() error { return l.build(ctx, &r, dir) },
		func() error { return l.start(ctx, &r, filepath.Base(dir)) },
	} {
		if err := step(); err != nil {
			r.Failed = told(err)
			return r, err
		}
	}
	return r, nil
}

// reason is the line by which a program says what is wrong.
var reason = regexp.MustCompile(`(?m)\b\w*Error: .*$|\berror TS\d+: .*$`)

// told is the first line of an error and the reason in it.
func told(err error) string {
	first, rest, _ := strings.Cut(err.Error(), "\n")
	if why := reason.FindString(rest); why != "" {
		first = strings.TrimSuffix(first, ":") + ": " + why
	}
	return first
}

// end is what of a long text is likely to say why.
func end(text string) string { return text[max(0, len(text)-2000):] }
