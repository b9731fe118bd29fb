package main

import "context"

const (
	buildCommand = "`stagecrew build --prepare` in a new home directory"
	buildxCached = "`docker buildx build --push --cache-from type=registry --cache-to type=registry,mode=max`"
	newDaemon    = "with a daemon that has just started without any state (its start is not counted)"
	keptDaemon   = "with the daemon of the build before"
)

// sourceFlags say what to build and where it goes.
func (l *lab) sourceFlags(repository string) []string {
	return []string{"--source", l.source, "--base-image", l.base, "--repository", repository, "--prepare", "--install-flag=--ignore-scripts"}
}

// build runs stagecrew's builder as on a runner that was never used before.
func (l *lab) build(ctx context.Context, repository string) (out outcome, err error) {
	home, err := l.home()
	if err != nil {
		return out, err
	}
	return l.timedBuild(ctx, surroundings{home: home}, l.sourceFlags(repository))
}

// timedBuild runs stagecrew's builder with these flags.
func (l *lab) timedBuild(ctx context.Context, s surroundings, flags []string) (out outcome, err error) {
	err = l.clock(&out, func() error {
		record, err := l.stagecrew(ctx, s, append([]string{"build"}, flags...)...)
		out.image = record.Image.String()
		return err
	})
	return out, err
}

// kept is the daemon that keeps its state from run to run.
func (l *lab) kept(ctx context.Context) (d *daemon, err error) {
	if l.daemon == nil {
		l.daemon, err = l.startDaemon(ctx)
	}
	return l.daemon, err
}

// keptAnew is one that knows of nothing yet, in the place of the one before.
func (l *lab) keptAnew(ctx context.Context) (*daemon, error) {
	if l.daemon != nil {
		l.daemon.stop()
		l.daemon = nil
	}
	return l.kept(ctx)
}

// withNewDaemon lets something be done with a daemon that knows nothing.
func (l *lab) withNewDaemon(ctx context.Context, do func(*daemon) (outcome, error)) (outcome, error) {
	d, err := l.startDaemon(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer d.stop()
	return do(d)
}

func (d *daemon) timed(ctx context.Context, p plan, repository, cache string) (out outcome, err error) {
	err = d.lab.clock(&out, func() (err error) {
		out.image, err = d.build(ctx, p, repository, cache)
		return err
	})
	return out, err
}

// changing makes each run of a side one of another version of the application.
func (l *lab) changing(run func(context.Context) (outcome, error)) func(context.Context) (outcome, error) {
	return func(ctx context.Context) (outcome, error) {
		if err := l.change(); err != nil {
			return outcome{}, err
		}
		return run(ctx)
	}
}

func (l *lab) warmBuild(ctx context.Context) (comparison, error) {
	kept, err := l.kept(ctx)
	if err != nil {
		return comparison{}, err
	}
	ours, theirs, cache := l.repository("warm-stagecrew"), l.repository("warm-buildkit"), l.repository("warm-cache")+":main"
	return comparison{
		Title: "Build after a change of the application, caches warm",
		Notes: "Each run changes the bundle only. What stagecrew knows of earlier builds is in the registry. BuildKit has its registry cache, which it writes anew as well; " +
			"in one of the two also the state of its daemon. The lockfile is in stagecrew's layer of the application and in BuildKit's layer of the dependencies.",
		rehearse: true, exact: true,
		Sides: []side{
			{Name: "stagecrew", What: buildCommand, run: l.changing(func(ctx context.Context) (outcome, error) { return l.build(ctx, ours) })},
			{Name: "BuildKit, new runner", What: buildxCached + " " + newDaemon, run: l.changing(func(ctx context.Context) (outcome, error) {
				return l.withNewDaemon(ctx, func(d *daemon) (outcome, error) { return d.timed(ctx, l.minimal(), theirs, cache) })
			})},
			{Name: "BuildKit, daemon kept", What: buildxCached + " " + keptDaemon, run: l.changing(func(ctx context.Context) (outcome, error) {
				return kept.timed(ctx, l.minimal(), theirs, cache)
			})},
		},
	}, nil
}

func (l *lab) coldBuild(context.Context) (comparison, error) {
	return comparison{
		Title: "Cold build",
		Notes: "No cache anywhere, a repository that has nothing yet: both install the production dependencies from the npm registry, pack them and push what the repository lacks. " +
			"Nothing is compiled: the example has no script for it. stagecrew has the registry link the layers of the base image.",
		Sides: []side{
			{Name: "stagecrew", What: buildCommand, run: func(ctx context.Context) (outcome, error) {
				return l.build(ctx, l.repository("cold-stagecrew"))
			}},
			{Name: "BuildKit", What: "`docker buildx build --push` " + newDaemon + ", no cache exported", run: func(ctx context.Context) (outcome, error) {
				return l.withNewDaemon(ctx, func(d *daemon) (outcome, error) { return d.timed(ctx, l.minimal(), l.repository("cold-buildkit"), "") })
			}},
		},
	}, nil
}
