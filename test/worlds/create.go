package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/semver"
)

// native are the dependencies of a Backstage whose code is compiled when they are
// installed, which only those may that are named.
var native = []string{"better-sqlite3", "isolated-vm"}

// compiled are those of the native packages that a world has.
func (w world) compiled() []string {
	if w.Backend && !w.Native {
		return nil
	}
	return native
}

// create makes the workspace as a user does.
func (l *lab) create(ctx context.Context, r *result, dir string) error {
	w := r.World
	l.env = append(l.env, "BACKSTAGE_APP_NAME="+filepath.Base(dir)) // or it asks
	if _, err := l.command(ctx, l.dir, "npx", "--yes", "@backstage/create-app@"+w.CreateApp, "--skip-install", "--path", dir); err != nil {
		return err
	}
	if w.Backend {
		if err := errors.Join(backendOnly(dir), r.withoutNative(dir)); err != nil {
			return err
		}
	}
	if err := errors.Join(r.older(dir), pin(dir)); err != nil {
		return err
	}
	if w.Backend {
		if err := l.leaveOut(ctx, r, dir); err != nil {
			return err
		}
	}
	if w.NPM {
		return toNPM(dir)
	}
	return edit(filepath.Join(dir, "package.json"), func(p map[string]any) {
		for _, name := range w.compiled() {
			object(p, "dependenciesMeta")[name] = map[string]any{"built": true}
		}
	})
}

// pin asks for the versions of the release, as the lockfile does that create-app brings
// where it has a network: the newest that a range allows are those of other releases,
// which do not start together.
func pin(dir string) error {
	for _, file := range manifestsIn(dir) {
		err := edit(file, func(p map[string]any) {
			for _, field := range []string{"dependencies", "devDependencies"} {
				for dependency, version := range object(p, field) {
					if wanted, ok := version.(string); ok && strings.HasPrefix(dependency, "@backstage/") {
						object(p, field)[dependency] = strings.TrimPrefix(wanted, "^")
					}
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pinned are the packages of Backstage that a workspace asks for, and their versions.
func pinned(dir string) (map[string]string, error) {
	found := map[string]string{}
	for _, file := range manifestsIn(dir) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var p struct{ Dependencies, DevDependencies map[string]string }
		if err := json.Unmarshal(text, &p); err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Base(file), err)
		}
		for _, asked := range []map[string]string{p.Dependencies, p.DevDependencies} {
			for dependency, version := range asked {
				if strings.HasPrefix(dependency, "@backstage/") {
					found[dependency] = version
				}
			}
		}
	}
	return found, nil
}

// toNPM makes of a workspace of Yarn what people who keep to npm have made of it: links
// are the workspaces' own, and resolutions are overrides.
func toNPM(dir string) error {
	for _, name := range []string{"yarn.lock", ".yarnrc.yml", ".yarn"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	err := edit(filepath.Join(dir, "package.json"), func(p map[string]any) {
		p["packageManager"] = "npm"
		p["overrides"] = object(p, "resolutions")
		delete(p, "resolutions")
		p["workspaces"] = []string{"packages/*"}
		object(p, "scripts")["build:backend"] = "npm run build --workspace backend"
	})
	if err != nil {
		return err
	}
	// backstage-cli wants a yarn.lock, also where nothing reads it.
	if err := os.WriteFile(filepath.Join(dir, "yarn.lock"), nil, 0o600); err != nil {
		return err
	}
	// What Backstage's packages want of each other npm would refuse.
	if err := os.WriteFile(filepath.Join(dir, ".npmrc"), []byte("legacy-peer-deps=true\n"), 0o600); err != nil {
		return err
	}
	return edit(filepath.Join(dir, "packages", "backend", "package.json"), func(p map[string]any) {
		if _, there := object(p, "dependencies")["app"]; there {
			object(p, "dependencies")["app"] = "*"
		}
	})
}

var (
	missingFromYarn = regexp.MustCompile(`(@?[\w./-]+)@npm:(\S+): No candidates found`)
	missingFromNPM  = regexp.MustCompile(`No matching version found for (@?[\w./-]+)@(\S+?)\.?\s`)
)

// lock writes the lockfile, which create-app takes from where there is no network here.
// What the registry does not have of an old release (a mirror may keep the newer ones
// only) is replaced by the next version, and told in the row.
func (l *lab) lock(ctx context.Context, r *result, dir string) error {
	command, field, missing := []string{"yarn", "install", "--mode=update-lockfile"}, "resolutions", missingFromYarn
	if r.World.NPM {
		command, field, missing = []string{"npm", "install", "--package-lock-only", "--ignore-scripts"}, "overrides", missingFromNPM
	}
	if err := l.floor(ctx, r, dir, field); err != nil {
		return err
	}
	const tries = 12
	for range tries {
		out, err := l.command(ctx, dir, command[0], command[1:]...)
		if err == nil {
			return r.untyped(dir)
		}
		lacking := missing.FindAllStringSubmatch(string(out)+err.Error(), -1)
		if len(lacking) == 0 {
			return err
		}
		for _, m := range lacking {
			version, err := l.instead(ctx, r, m[1], m[2])
			if err != nil {
				return err
			}
			if err := replace(dir, field, m[1], version); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("writing the lockfile: the registry still lacks something after %d tries", tries)
}

// untyped leaves the script tsc out where versions were replaced: the types of packages of
// different releases do not fit together.
func (r *result) untyped(dir string) error {
	if len(r.Replaced) == 0 {
		return nil
	}
	return edit(filepath.Join(dir, "package.json"), func(p map[string]any) { delete(object(p, "scripts"), "tsc") })
}

// instead gives the version of a package that is taken for one that the registry lacks.
func (l *lab) instead(ctx context.Context, r *result, name, lacking string) (string, error) {
	version, err := l.next(ctx, name, lacking)
	if err == nil {
		r.Replaced = append(r.Replaced, name+" "+version)
	}
	return version, err
}

// replace asks for another version of a package, wherever it is asked for: npm wants no
// override of what a package.json names itself.
func replace(dir, field, name, version string) error {
	direct := false
	for _, file := range manifestsIn(dir) {
		err := edit(file, func(p map[string]any) {
			for _, kind := range []string{"dependencies", "devDependencies"} {
				if _, asked := object(p, kind)[name]; asked {
					object(p, kind)[name], direct = version, true
				}
			}
		})
		if err != nil {
			return err
		}
	}
	if direct && field == "overrides" {
		return nil
	}
	return edit(filepath.Join(dir, "package.json"), func(p map[string]any) { object(p, field)[name] = version })
}

// next is the lowest version that the registry has from a range on, or the highest.
func (l *lab) next(ctx context.Context, name, from string) (string, error) {
	versions, err := l.versions(ctx, name)
	if err != nil {
		return "", err
	}
	wanted := "v" + strings.TrimLeft(from, "^~")
	for _, v := range versions {
		if semver.Compare("v"+v, wanted) >= 0 {
			return v, nil
		}
	}
	return versions[len(versions)-1], nil
}
