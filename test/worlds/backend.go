package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// releasesText are the versions of the packages of releases whose create-app is not in the
// registry: what the backend of create-app asks for, by the release's own manifest.
//
//go:embed testdata/releases.json
var releasesText []byte

// backendFile is where a backend says what it consists of.
const backendFile = "packages/backend/src/index.ts"

// needed are the packages without which there is no Backstage. Where the registry lacks
// one of them it is replaced, and not left out.
var needed = []string{"@backstage/backend-defaults", "@backstage/config", "@backstage/plugin-catalog-backend"}

// backendOnly makes the workspace one of a backend whose frontend is somewhere else, as
// Backstage's page on images describes it: without packages/app, and what serves it.
func backendOnly(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, "packages", "app")); err != nil {
		return err
	}
	err := edit(filepath.Join(dir, "package.json"), func(p map[string]any) {
		for _, name := range []string{"@playwright/test", "@backstage/e2e-test-utils"} {
			delete(object(p, "devDependencies"), name) // they try the frontend in a browser
		}
	})
	return errors.Join(err, without(dir, "app", "@backstage/plugin-app-backend"))
}

// withoutNative takes out what is compiled when it is installed, minutes twice in a build:
// the scaffolder, which wants isolated-vm, and SQLite, which a Backstage with a PostgreSQL
// does not need in its image.
func (r *result) withoutNative(dir string) error {
	if r.World.Native {
		return nil
	}
	var out []string
	err := edit(filepath.Join(dir, "packages", "backend", "package.json"), func(p map[string]any) {
		for name := range object(p, "dependencies") {
			if strings.Contains(name, "/plugin-scaffolder-backend") {
				out = append(out, name)
			}
		}
	})
	slices.Sort(out)
	r.LeftOut = append(r.LeftOut, out...)
	return errors.Join(err, without(dir, append(out, "better-sqlite3")...))
}

// with are the versions of packages that are not of Backstage. Its own packages ask for
// SQLite as well; in its place comes an empty package, as people have it who do not want to
// compile what their PostgreSQL makes needless.
func (w world) with() map[string]string {
	all := maps.Clone(w.With)
	if w.Backend && !w.Native {
		if all == nil {
			all = map[string]string{}
		}
		all["better-sqlite3"] = "npm:@favware/skip-dependency@1.2.2"
	}
	return all
}

// without takes packages out of the backend.
func without(dir string, names ...string) error {
	err := edit(filepath.Join(dir, "packages", "backend", "package.json"), func(p map[string]any) {
		for _, name := range names {
			delete(object(p, "dependencies"), name)
		}
	})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, filepath.FromSlash(backendFile))
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, name := range names {
		text = regexp.MustCompile(`backend\.add\(\s*import\('`+regexp.QuoteMeta(name)+`(/[^']*)?'\),?\s*\);\n?`).ReplaceAll(text, nil)
	}
	return os.WriteFile(file, text, 0o644)
}

// older asks for the packages of a release whose create-app is not in the registry, where
// they had their plugins then. What that release did not have is left out.
func (r *result) older(dir string) error {
	var releases map[string]map[string]string
	if err := json.Unmarshal(releasesText, &releases); err != nil {
		return err
	}
	versions := releases[r.World.Backstage]
	if versions == nil {
		return nil
	}
	var unknown []string
	for _, file := range manifestsIn(dir) {
		err := edit(file, func(p map[string]any) {
			for _, field := range []string{"dependencies", "devDependencies"} {
				asked := object(p, field)
				for name := range asked {
					if version, there := versions[name]; there {
						asked[name] = version
					} else if strings.HasPrefix(name, "@backstage/") {
						unknown = append(unknown, name)
					}
				}
			}
		})
		if err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "backstage.json"), fmt.Appendf(nil, "{\"version\": %q}\n", r.World.Backstage), 0o600); err != nil {
		return err
	}
	slices.Sort(unknown)
	r.LeftOut = append(r.LeftOut, unknown...)
	return errors.Join(without(dir, unknown...), alpha(dir, r.World.Alpha))
}

// alpha takes the plugins of packages from where they were before they were the packages' own.
func alpha(dir string, names []string) error {
	file := filepath.Join(dir, filepath.FromSlash(backendFile))
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, name := range names {
		text = bytes.ReplaceAll(text, []byte("import('"+name+"')"), []byte("import('"+name+"/alpha')"))
	}
	return os.WriteFile(file, text, 0o644)
}

// leaveOut takes those plugins out of the backend for which the registry lacks something of
// the release: what replaces it belongs to another release, and does not start with the
// others. It is told in the row.
func (l *lab) leaveOut(ctx context.Context, r *result, dir string) error {
	asked, err := pinned(dir)
	if err != nil {
		return err
	}
	all := release{versions: map[string]string{}, asks: map[string][]string{}, lacks: map[string]bool{}}
	if err := l.walk(ctx, &all, asked); err != nil {
		return err
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		plugin, _, module := strings.Cut(name, "-module-")
		if !slices.Contains(needed, name) && strings.Contains(name, "/plugin-") && (all.incomplete(name) || module && slices.Contains(out, plugin)) {
			out = append(out, name)
		}
	}
	r.LeftOut = append(r.LeftOut, out...)
	return without(dir, out...)
}

// incomplete reports whether the registry lacks a package, or one that it asks for.
func (r *release) incomplete(name string) bool {
	seen := map[string]bool{}
	var lacks func(string) bool
	lacks = func(name string) bool {
		if seen[name] {
			return false
		}
		seen[name] = true
		return r.lacks[name] || slices.ContainsFunc(r.asks[name], lacks)
	}
	return lacks(name)
}

// manifestsIn are the package.json files of a new workspace.
func manifestsIn(dir string) []string {
	var there []string
	for _, name := range []string{"package.json", "packages/app/package.json", "packages/backend/package.json"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			there = append(there, file)
		}
	}
	return there
}
