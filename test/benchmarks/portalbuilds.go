package main

import (
	"context"
	"fmt"
)

const (
	hostBuild = "The whole Backstage was built on the machine before (`yarn install`, `tsc`, `build:backend`, Node.js 22): what is measured is what makes its image of the two archives. " +
		"BuildKit does it in the steps that Backstage's documents have for it. "
	wholeCommand = "`stagecrew build` in a new home directory"
)

// wholeCold compares first builds of the whole Backstage, and then what is in the images.
func (l *lab) wholeCold(ctx context.Context) (comparison, error) {
	p, err := l.whole(ctx)
	if err != nil {
		return comparison{}, err
	}
	var ours, theirs string
	return comparison{
		Title: "The whole Backstage: cold build of the image",
		Notes: hostBuild + "No cache anywhere, a repository that has nothing yet: both install the production dependencies from the npm registry, pack them and push what the repository lacks.",
		base:  p.base,
		Sides: []side{
			{Name: "stagecrew", What: wholeCommand, run: func(ctx context.Context) (out outcome, err error) {
				out, err = p.buildFresh(ctx, l.repository("whole-cold-stagecrew"))
				ours = out.image
				return out, err
			}},
			{Name: "BuildKit", What: "`docker buildx build --push` " + newDaemon + ", no cache exported", run: func(ctx context.Context) (out outcome, err error) {
				out, err = l.withNewDaemon(ctx, func(d *daemon) (outcome, error) {
					return d.timed(ctx, p.plan(), l.repository("whole-cold-buildkit"), "")
				})
				theirs = out.image
				return out, err
			}},
		},
		finish: func(ctx context.Context, c *comparison) error {
			told, err := compareContent(ctx, ours, theirs)
			c.Notes += " " + told
			return err
		},
	}, nil
}

// wholeChanged compares builds after a change of the bundle.
func (l *lab) wholeChanged(ctx context.Context) (comparison, error) {
	p, err := l.whole(ctx)
	if err != nil {
		return comparison{}, err
	}
	kept, err := l.kept(ctx)
	if err != nil {
		return comparison{}, err
	}
	ours, theirs, cache := l.repository("whole-warm-stagecrew"), l.repository("whole-warm-buildkit"), l.repository("whole-warm-cache")+":main"
	changing := func(run func(context.Context) (outcome, error)) func(context.Context) (outcome, error) {
		return func(ctx context.Context) (outcome, error) {
			if err := p.change(); err != nil {
				return outcome{}, err
			}
			return run(ctx)
		}
	}
	return comparison{
		Title: "The whole Backstage after a change of the application",
		Notes: "As (e); each run has another bundle, in which one file is another one. The caches are those of (a).",
		base:  p.base, rehearse: true, exact: true,
		Sides: []side{
			{Name: "stagecrew", What: wholeCommand, run: changing(func(ctx context.Context) (outcome, error) { return p.buildFresh(ctx, ours) })},
			{Name: "BuildKit, new runner", What: buildxCached + " " + newDaemon, run: changing(func(ctx context.Context) (outcome, error) {
				return l.withNewDaemon(ctx, func(d *daemon) (outcome, error) { return d.timed(ctx, p.plan(), theirs, cache) })
			})},
			{Name: "BuildKit, daemon kept", What: buildxCached + " " + keptDaemon, run: changing(func(ctx context.Context) (outcome, error) {
				return kept.timed(ctx, p.plan(), theirs, cache)
			})},
		},
	}, nil
}

// wholeUpdated compares builds after an update of one dependency.
func (l *lab) wholeUpdated(ctx context.Context) (comparison, error) {
	p, err := l.whole(ctx)
	if err != nil {
		return comparison{}, err
	}
	// One that took its layers of dependencies from a registry has no packages.
	kept, err := l.keptAnew(ctx)
	if err != nil {
		return comparison{}, err
	}
	home, err := l.home()
	if err != nil {
		return comparison{}, err
	}
	// Each side has caches of its own, and what it builds are the same updates in turn.
	updating := func(name string, run func(ctx context.Context, repository, cache string) (outcome, error)) func(context.Context) (outcome, error) {
		repository, cache, next := l.repository(name), l.repository(name+"-cache")+":main", 0
		return func(ctx context.Context) (outcome, error) {
			if err := p.update(next); err != nil {
				return outcome{}, err
			}
			next++
			return run(ctx, repository, cache)
		}
	}
	return comparison{
		Title: "The whole Backstage after an update of one dependency",
		Notes: fmt.Sprintf("As (e); each run has another lockfile, which names another version of one package (%s). The first two sides know of earlier builds what is in the registry; the other two have "+
			"the packages, too, that the build before fetched. Each pair is compared by itself.", updated),
		base: p.base, rehearse: true,
		Sides: []side{
			{Name: "stagecrew", What: wholeCommand, run: updating("whole-update-stagecrew", func(ctx context.Context, repository, _ string) (outcome, error) { return p.buildFresh(ctx, repository) })},
			{Name: "BuildKit, new runner", What: buildxCached + " " + newDaemon, run: updating("whole-update-buildkit", func(ctx context.Context, repository, cache string) (outcome, error) {
				return l.withNewDaemon(ctx, func(d *daemon) (outcome, error) { return d.timed(ctx, p.plan(), repository, cache) })
			})},
			{Name: "stagecrew, home kept", What: "`stagecrew build` with the home directory of the build before", Against: 2, run: updating("whole-update-kept", func(ctx context.Context, repository, _ string) (outcome, error) {
				return p.build(ctx, home, repository)
			})},
			{Name: "BuildKit, daemon kept", What: buildxCached + " " + keptDaemon, Against: 2, run: updating("whole-update-daemon", func(ctx context.Context, repository, cache string) (outcome, error) {
				return kept.timed(ctx, p.plan(), repository, cache)
			})},
		},
		finish: func(context.Context, *comparison) error { return p.update(0) },
	}, nil
}
