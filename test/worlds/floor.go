package main

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// floorOf is what a range allows at least: Backstage's packages ask for each other by
// ^VERSION of their own release.
var floorOf = regexp.MustCompile(`^[\^~]?(\d+\.\d+\.\d+)$`)

// floor asks for the versions of the release everywhere: for the lowest that the packages
// of Backstage ask of each other, as the lockfile has them that create-app brings where it
// has a network. What the registry lacks of an old release is replaced, and told in the
// row.
func (l *lab) floor(ctx context.Context, r *result, dir, field string) error {
	asked, err := pinned(dir)
	if err != nil {
		return err
	}
	release, seen := map[string]string{}, map[string]string{}
	for len(asked) > 0 {
		next := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(asked)) {
			if !higher(asked[name], seen[name]) {
				continue
			}
			seen[name], release[name] = asked[name], asked[name]
			if err := l.follow(ctx, r, name, release, next); err != nil {
				return err
			}
		}
		asked = next
	}
	for _, name := range slices.Sorted(maps.Keys(release)) {
		if err := replace(dir, field, name, release[name]); err != nil {
			return err
		}
	}
	return nil
}

// higher reports whether a version is above the one that was found before, or the first.
func higher(version, before string) bool {
	return before == "" || semver.Compare("v"+version, "v"+before) > 0
}

// follow adds to next what a package of the release asks of others.
func (l *lab) follow(ctx context.Context, r *result, name string, release, next map[string]string) error {
	asks, there, err := l.asks(ctx, name, release[name])
	if err == nil && !there {
		if release[name], err = l.instead(ctx, r, name, release[name]); err == nil {
			asks, _, err = l.asks(ctx, name, release[name])
		}
	}
	if err != nil {
		return err
	}
	for dependency, wanted := range asks {
		m := floorOf.FindStringSubmatch(wanted)
		if m != nil && strings.HasPrefix(dependency, "@backstage/") && higher(m[1], next[dependency]) {
			next[dependency] = m[1]
		}
	}
	return nil
}

// asks gives the dependencies of a package in a version, and whether the registry has it.
func (l *lab) asks(ctx context.Context, name, version string) (map[string]string, bool, error) {
	out, err := l.command(ctx, l.dir, "npm", "view", name+"@"+version, "version", "dependencies", "--json")
	if err != nil && strings.Contains(err.Error(), "E404") {
		return nil, false, nil
	}
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
