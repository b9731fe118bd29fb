package main

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
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
		if err := l.readAll(ctx, slices.Collect(maps.Keys(asked))); err != nil {
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
