package main

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
	"golang.org/x/sync/errgroup"
)

// floorOf is what a range allows at least: Backstage's packages ask for each other by
// ^VERSION of their own release.
var floorOf = regexp.MustCompile(`^[\^~]?(\d+\.\d+\.\d+)$`)

// release are the packages of Backstage that belong to one.
type release struct {
	versions map[string]string
	asks     map[string][]string // names of packages, by that of the one that asks
	lacks    map[string]bool     // what the registry has no such version of
	instead  func(name, version string) (string, error)
}

// floor asks for the versions of the release everywhere: for the lowest that the packages
// of Backstage ask of each other, as the lockfile has them that create-app brings where it
// has a network. What the registry lacks of an old release is replaced, and told in the
// row.
func (l *lab) floor(ctx context.Context, r *result, dir, field string) error {
	asked, err := pinned(dir)
	if err != nil {
		return err
	}
	all := release{versions: map[string]string{}, asks: map[string][]string{}, lacks: map[string]bool{}}
	all.instead = func(name, version string) (string, error) { return l.instead(ctx, r, name, version) }
	if err := l.walk(ctx, &all, asked); err != nil {
		return err
	}
	maps.Copy(all.versions, r.World.with())
	for _, name := range slices.Sorted(maps.Keys(all.versions)) {
		if err := replace(dir, field, name, all.versions[name]); err != nil {
			return err
		}
	}
	return nil
}

// walk adds what is asked for, and what that asks for, to a release.
func (l *lab) walk(ctx context.Context, all *release, asked map[string]string) error {
	seen := map[string]string{}
	for len(asked) > 0 {
		next := map[string]string{}
		maps.DeleteFunc(asked, func(name, version string) bool { return !higher(version, seen[name]) })
		if err := l.viewAll(ctx, asked); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(asked)) {
			seen[name], all.versions[name] = asked[name], asked[name]
			if err := l.follow(ctx, all, name, next); err != nil {
				return err
			}
		}
		asked = next
	}
	return nil
}

// higher reports whether a version is above the one that was found before, or the first.
func higher(version, before string) bool {
	return before == "" || semver.Compare("v"+version, "v"+before) > 0
}

// follow adds to next what a package of the release asks of others.
func (l *lab) follow(ctx context.Context, all *release, name string, next map[string]string) error {
	asks, there, err := l.asks(ctx, name, all.versions[name])
	if err == nil && !there && all.instead != nil {
		if all.versions[name], err = all.instead(name, all.versions[name]); err == nil {
			asks, there, err = l.asks(ctx, name, all.versions[name])
		}
	}
	if err != nil {
		return err
	}
	all.lacks[name], all.asks[name] = !there, nil
	for dependency, wanted := range asks {
		m := floorOf.FindStringSubmatch(wanted)
		if m == nil || !strings.HasPrefix(dependency, "@backstage/") {
			continue
		}
		all.asks[name] = append(all.asks[name], dependency)
		if higher(m[1], next[dependency]) {
			next[dependency] = m[1]
		}
	}
	return nil
}

// viewAll has npm tell of packages in their versions, a few at once: a npm that starts
// takes a second, and one after another they are minutes.
func (l *lab) viewAll(ctx context.Context, asked map[string]string) error {
	const atOnce = 6
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for name, version := range asked {
		all.Go(func() error {
			_, err := l.view(ctx, name+"@"+version)
			return err
		})
	}
	return all.Wait()
}

// view is what npm tells of NAME@VERSION, nothing where the registry does not have it. It
// remembers what it was told.
func (l *lab) view(ctx context.Context, at string) ([]byte, error) {
	if known, there := l.views.Load(at); there {
		view, _ := known.([]byte)
		return view, nil
	}
	out, err := l.command(ctx, l.dir, "npm", "view", at, "version", "dependencies", "--json")
	if err != nil && strings.Contains(err.Error(), "E404") {
		out, err = nil, nil
	}
	if err == nil {
		l.views.Store(at, out)
	}
	return out, err
}

// asks gives the dependencies of a package in a version, and whether the registry has it.
func (l *lab) asks(ctx context.Context, name, version string) (map[string]string, bool, error) {
	out, err := l.view(ctx, name+"@"+version)
	if err != nil {
		return nil, false, err
	}
	asks, there := dependenciesIn(out)
	return asks, there, nil
}

// dependenciesIn reads what npm tells of a version: nothing of one that is not there, and
// the version alone, as a string, of a package without dependencies.
func dependenciesIn(view []byte) (map[string]string, bool) {
	var p struct{ Dependencies map[string]string }
	_ = json.Unmarshal(view, &p)
	return p.Dependencies, len(view) > 0
}
