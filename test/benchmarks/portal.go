package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/test/example"
)

// portal is the whole Backstage of examples/backstage, built on this machine as
// Backstage's documents have it. What is measured is what comes then: its image.
type portal struct {
	lab   *lab
	dir   string   // workspace with the archives of build:backend
	tools []string // variables by which Node.js and Yarn are found
	base  string   // image with Yarn, for both builders

	bundle []byte // the archive as it was built
	// locks are lockfiles: that of the example, then others, each of which names another
	// version of one package.
	locks []string
}

// updated is the package whose version changes, as by a bot that updates the lockfile
// alone, and versions are those that what asks for it is content with.
const updated = "luxon"

var versions = []string{"3.7.1", "3.7.0", "3.6.1", "3.6.0"}

// whole builds the portal when it is asked for first.
func (l *lab) whole(ctx context.Context) (*portal, error) {
	if l.portal != nil {
		return l.portal, nil
	}
	p := &portal{lab: l}
	var err error
	if p.dir, p.tools, err = example.Whole(ctx, setting("E2E_ROOT")); err != nil {
		return nil, fmt.Errorf("copying the example: %w", err)
	}
	for _, step := range [][]string{{"install", "--immutable"}, {"run", "tsc"}, {"run", "build:backend"}} {
		fmt.Fprintf(os.Stderr, "== examples/backstage: yarn %s\n", strings.Join(step, " "))
		if err := p.yarn(ctx, step...); err != nil {
			return nil, err
		}
	}
	if p.bundle, err = os.ReadFile(filepath.Join(p.dir, backstage.Bundle)); err != nil {
		return nil, err
	}
	if err := p.lock(ctx); err != nil {
		return nil, err
	}
	if p.base, err = l.withYarn(ctx, p.tools); err != nil {
		return nil, fmt.Errorf("making an image with Yarn: %w", err)
	}
	l.portal = p
	return p, nil
}

// yarn runs Yarn in the workspace as a developer does, whose caches it has.
func (p *portal) yarn(ctx context.Context, args ...string) error {
	home := filepath.Join(p.lab.dir, "developer")
	if err := os.MkdirAll(home, 0o750); err != nil {
		return err
	}
	// The program is looked for in this process's PATH.
	_, err := p.lab.in(ctx, surroundings{home, p.dir, p.tools}, "env", append([]string{"yarn"}, args...)...)
	return err
}

// lock has Yarn write the lockfiles.
func (p *portal) lock(ctx context.Context) error {
	file := filepath.Join(p.dir, "yarn.lock")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p.locks = []string{string(text)}
	for _, version := range versions {
		changed, err := relocked(p.locks[0], updated, version)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			return err
		}
		// It adds the sum that lacks.
		if err := p.yarn(ctx, "install", "--no-immutable", "--mode=update-lockfile"); err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		p.locks = append(p.locks, string(text))
	}
	return p.update(0)
}

// relocked names another version of a package without dependencies in the text of a
// lockfile, in the last entry that it has of it, without the sum.
func relocked(lockfile, name, version string) (string, error) {
	entries := regexp.MustCompile(`(?m)^("`+regexp.QuoteMeta(name)+`@npm:\^[^\n]*":\n)  version: \S+\n  resolution: \S+\n  checksum: \S+\n`).FindAllStringSubmatchIndex(lockfile, -1)
	if len(entries) == 0 {
		return "", fmt.Errorf("yarn.lock has no %s", name)
	}
	at := entries[len(entries)-1]
	return lockfile[:at[3]] + fmt.Sprintf("  version: %s\n  resolution: \"%s@npm:%s\"\n", version, name, version) + lockfile[at[1]:], nil
}

// update makes the lockfile one of those, 0 for that of the example.
func (p *portal) update(i int) error {
	if i >= len(p.locks) {
		return fmt.Errorf("there are %d updates of a dependency: give at most as many pairs with -cold", len(p.locks)-1)
	}
	return os.WriteFile(filepath.Join(p.dir, "yarn.lock"), []byte(p.locks[i]), 0o644)
}

// change makes another version of the bundle, as build:backend does after a commit.
func (p *portal) change() error {
	changed, err := appended(p.bundle, backstage.Backend+"/dist/index.cjs.js", "\n// "+p.lab.fresh("change")+"\n")
	if err != nil {
		return fmt.Errorf("changing the bundle: %w", err)
	}
	return os.WriteFile(filepath.Join(p.dir, backstage.Bundle), changed, 0o644)
}

// build runs stagecrew's builder in a home directory.
func (p *portal) build(ctx context.Context, home, repository string) (outcome, error) {
	s := surroundings{home: home, variables: append(p.tools[:len(p.tools):len(p.tools)], "YARN_GLOBAL_FOLDER="+filepath.Join(home, "yarn"))}
	return p.lab.timedBuild(ctx, s, []string{"--source", p.dir, "--base-image", p.base, "--repository", repository})
}

// buildFresh does so in a new one.
func (p *portal) buildFresh(ctx context.Context, repository string) (outcome, error) {
	home, err := p.lab.home()
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = os.RemoveAll(home) }()
	return p.build(ctx, home, repository)
}

// plan is what BuildKit builds.
func (p *portal) plan() plan {
	args := []string{"--file", filepath.Join(setting("E2E_ROOT"), "test", "benchmarks", "host", "Dockerfile"), "--build-arg", "BASE_IMAGE=" + p.base}
	if authorities := os.Getenv("NODE_EXTRA_CA_CERTS"); authorities != "" {
		args = append(args, "--secret", "id=authorities,src="+authorities)
	}
	return plan{p.dir, args}
}
