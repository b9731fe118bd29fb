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
	NPM                  bool              // with npm in place of the Yarn that it brings
	Backend              bool              // without the frontend, which is served by something else
	Native               bool              // a backend with what is compiled when it is installed
	With                 map[string]string // versions of packages that are not of Backstage
	Alpha                []string          // packages whose plugin for the backend is below /alpha in that release
}

// manager names the package manager, and what of the workspace there is. With the release
// it is the name of a row.
func (w world) manager() string {
	name := "Yarn 4"
	if w.NPM {
		name = "npm"
	}
	if w.Backend {
		name += ", backend"
	}
	return name
}

func (w world) key() string { return w.Backstage + " " + w.manager() }

// knex is what those releases were made with that run on it. In a newer one the columns of
// what is inserted are others.
var knex = map[string]string{"knex": "3.1.0"}

// worlds are what is tried. The whole workspace of an old release wants what the registry
// that the suite was written with does not have any more; of its backend there is enough.
var worlds = []world{
	{Backstage: "1.29.1", CreateApp: "0.7.1", Backend: true, With: knex, Alpha: []string{"@backstage/plugin-catalog-backend"}},
	{Backstage: "1.32.2", CreateApp: "0.7.1", Backend: true, With: knex, NPM: true},
	{Backstage: "1.35.1", CreateApp: "0.7.1", Backend: true, With: knex},
	{Backstage: "1.41.0", CreateApp: "0.7.1"},
	{Backstage: "1.43.0", CreateApp: "0.7.4"},
	{Backstage: "1.43.0", CreateApp: "0.7.4", Backend: true, With: knex, NPM: true},
	{Backstage: "1.46.0", CreateApp: "0.7.7", Backend: true, Native: true, With: knex},
	{Backstage: "1.47.0", CreateApp: "0.7.8", NPM: true},
	{Backstage: "1.49.1", CreateApp: "0.8.1", Backend: true, With: knex, NPM: true},
	{Backstage: "1.50.0", CreateApp: "0.8.2"},
	{Backstage: "1.50.0", CreateApp: "0.8.2", Backend: true, With: knex},
	{Backstage: "1.52.1", CreateApp: "0.8.4", Backend: true},
	{Backstage: "1.53.0", CreateApp: "0.9.0", NPM: true},
	{Backstage: "1.54.0", CreateApp: "0.9.1"},
	{Backstage: "1.54.0", CreateApp: "0.9.1", Backend: true},
	{Backstage: "1.55.0", CreateApp: "0.9.2"},
	{Backstage: "1.55.0", CreateApp: "0.9.2", Backend: true, NPM: true},
}

func main() {
	document := flag.String("document", "", "Markdown `FILE` to write; what it has of other releases stays")
	work := flag.String("work", "", "`FOLDER` for the installers' caches, which stay there")
	only := flag.String("only", "", "the `VERSION,...` of Backstage to try; the other rows of the document stay as they are")
	backends := flag.Bool("backends", false, "try those only that are a backend without its frontend")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *work, *document, func(w world) bool { return wanted(w, *only) && (w.Backend || !*backends) }); err != nil {
		fmt.Fprintln(os.Stderr, "worlds:", err)
		os.Exit(1)
	}
}

// wanted reports whether a list names a world; one that is empty names all.
func wanted(w world, list string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), w.Backstage)
}

func run(ctx context.Context, work, document string, wanted func(world) bool) error {
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
	var problems []error
	for _, w := range worlds {
		if !wanted(w) {
			continue
		}
		r, err := l.try(ctx, w)
		if err != nil {
			problems = append(problems, fmt.Errorf("backstage %s: %w", w.key(), err))
		}
		// Another run may have written meanwhile.
		all, err := measured(document)
		if err != nil {
			return err
		}
		all[w.key()] = r.row()
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
		func() error { return l.create(ctx, &r, dir) },
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
