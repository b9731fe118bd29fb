package build

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/errgroup"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/layer"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/build/workspace"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// installed is one tree of dependencies, of one platform or for all.
type installed struct {
	workspace.Installed
	native *tree.Native
	layer  *layer.File // nil until it is needed
}

// lookUp computes the key of each platform's dependencies and asks the registry
// for a layer with it.
func (b *layering) lookUp(ctx context.Context) error {
	if err := b.findTrees(); err != nil {
		return err
	}
	for _, t := range b.targets {
		if wanted := b.source.Unfit(t.base.node); wanted != "" {
			b.warn(fmt.Sprintf("the image for %s has Node.js %s, as its base has, and the workspace asks for %s (engines of package.json); take a base image that has it (--base-image)", t.platform, t.base.node, text.Line(wanted, maxWarning)))
		}
		if user := t.base.user; user != "" {
			b.warn(fmt.Sprintf("the base image for %s is made for its user %s, and the image runs as 1000:1000: unless the base knows that user, too, nothing can be written to its HOME (%s), and os.userInfo() fails; set HOME where the image runs, or take a base image with a user 1000 (--base-image)", t.platform, text.Line(user, maxWarning), text.Line(t.base.home, maxWarning)))
		}
		key, err := b.source.Key(workspace.Target{Platform: t.platform, Node: t.base.node, LibC: t.base.libc, GlibC: t.base.glibc}, b.installing(), t.known())
		if err != nil {
			return fmt.Errorf("reading what determines the dependencies: %w", err)
		}
		if t.key = key; key == "" {
			b.Log.Info("dependencies: the installer left no list of them, so that their layer cannot be found again", "platform", t.platform)
			continue
		}
		if !b.NoCache {
			b.reuse(ctx, t)
		}
		b.Log.Info("dependencies", "platform", t.platform, "key", t.key, "reused", t.reused != nil)
	}
	return nil
}

// findTrees says where the dependencies of each platform are, unless they are yet
// to be installed.
func (b *layering) findTrees() error {
	if b.source.Install && len(b.Trees) == 0 {
		return nil
	}
	shared := &installed{Installed: workspace.Installed{Root: b.source.Root, Entries: b.plan.entries(dependencies)}}
	for _, t := range b.targets {
		dir, own := b.Trees[t.platform]
		if !own {
			t.tree = shared
			if len(b.Trees) > 0 {
				return record.BadInput("build/options", "there are dependencies for some platforms, but not for %s", t.platform)
			}
			continue
		}
		deps, err := b.readTree(dir)
		if err != nil {
			return record.BadInput("build/no-dependencies", "reading the dependencies for %s in %q: %w", t.platform, dir, err)
		}
		t.tree = deps
	}
	return nil
}

// readTree lists the dependencies that are installed in a folder.
func (b *layering) readTree(dir string) (*installed, error) {
	root, err := b.openRoot(dir)
	if err != nil {
		return nil, err
	}
	p := &plan{packages: b.plan.packages}
	tops, err := p.topEntries(root, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(tops, backstage.Modules) {
		return nil, fmt.Errorf("it has no node_modules")
	}
	if err := p.read(root, tops, dependencies, &omitted{}); err != nil {
		return nil, err
	}
	return &installed{Installed: workspace.Installed{Root: root, Entries: p.entries(dependencies)}}, nil
}

// reuse takes the layer of an earlier build by reference. Trouble with it is no
// trouble for the image: the layer is made then.
func (b *layering) reuse(ctx context.Context, t *target) {
	found, err := layer.Find(ctx, b.session, b.keepIn, t.key)
	if err != nil {
		b.result.warn(b.Log, "looking for an earlier layer of dependencies", err)
		return
	}
	if found == nil {
		return
	}
	d := found.Descriptor()
	var sent push.Transfer
	var group errgroup.Group
	group.Go(func() error { return record.Guard(found.Describe) })
	group.Go(func() error {
		return record.Guard(func() (err error) {
			sent, err = b.pusher.Blob(ctx, push.LayerBlob(d, found, []name.Repository{b.keepIn}))
			return err
		})
	})
	if err := group.Wait(); err != nil {
		b.result.warn(b.Log, "taking an earlier layer of dependencies", err)
		return
	}
	b.sent[d.Digest.String()] = sent
	t.reused = found
}

// install has the package manager install the dependencies, unless each platform's
// layer is there or its tree was given. One install serves all platforms.
func (b *layering) install(ctx context.Context) error {
	var missing []*target
	for _, t := range b.targets {
		if t.reused == nil {
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 && missing[0].tree == nil {
		dir, err := os.MkdirTemp("", "stagecrew-install-")
		if err != nil {
			return err
		}
		b.installDir = dir
		if err := b.source.InstallTo(ctx, dir, b.installing()); err != nil {
			return err
		}
		deps, err := b.readTree(dir)
		if err != nil {
			return err
		}
		if err := b.source.CheckBuilt(&deps.Installed, b.InstallScripts); err != nil {
			return err
		}
		for _, t := range missing {
			t.tree = deps
		}
	}
	for _, t := range missing {
		if t.tree.native == nil {
			b.warnMissing("node_modules lacks packages that the backend names, and it ends at its start where it needs one; install them again with the package manager of the lockfile", b.source.Lacking(t.tree.Root))
			b.warnMissing("the backend is to serve the frontend, but has none among its dependencies, and ends at its start; name it in packages/backend/package.json (\"app\": \"link:../app\", or \"*\" with npm) and install again", b.source.Unserved(t.tree.Root, b.plan.packages))
			native, err := tree.FindNative(ctx, t.tree.Entries)
			if err != nil {
				return err
			}
			t.tree.native = native
		}
		if err := t.tree.native.Refuse(t.platform); err != nil {
			return err
		}
		b.warnForeign(t.platform, append(t.tree.native.Foreign(t.platform), t.tree.native.Unfit(t.platform, t.base.runtime())...))
	}
	return b.lookAtApplication(ctx)
}

// lookAtApplication looks for native code among what is not installed, such as the
// node_modules of a dynamic plugin.
func (b *layering) lookAtApplication(ctx context.Context) error {
	native, err := tree.FindNative(ctx, b.plan.entries(application))
	if err != nil {
		return err
	}
	for _, t := range b.targets {
		b.warnForeign(t.platform, append(native.Foreigners(t.platform), native.Unfit(t.platform, t.base.runtime())...))
	}
	return nil
}

// warnForeign tells about code of other processors that may or may not be used.
func (b *layering) warnForeign(platform string, packages []string) {
	for _, one := range packages {
		b.warn("the image for " + platform + " may lack native code: " + text.Line(one, maxWarning))
	}
}

// warn tells of something in the log and in the result.
func (b *layering) warn(warning string) {
	b.Log.Warn(warning)
	b.result.Warnings = append(b.result.Warnings, warning)
}

// maxWarning bounds what is told of names that others gave, in bytes.
const maxWarning = 300

// known are the dependencies that are there before anything is installed.
func (t *target) known() *workspace.Installed {
	if t.tree == nil {
		return nil
	}
	return &t.tree.Installed
}

// layer is the one with the dependencies.
func (t *target) layer() listing {
	if t.reused != nil {
		return t.reused
	}
	return t.tree.layer
}

// keep leaves new layers of dependencies for the next build. That it cannot is no
// reason to fail.
func (b *layering) keep(ctx context.Context) error {
	for _, t := range b.targets {
		if t.key == "" || t.reused != nil || b.NoCache {
			continue
		}
		if err := layer.Keep(ctx, b.pushing, b.keepIn, b.repo, t.key, t.tree.layer); err != nil {
			b.result.warn(b.Log, "keeping the layer of dependencies for the next build", err)
		}
	}
	return nil
}
