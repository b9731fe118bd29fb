package build

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stagecrew/stagecrew/pkg/build/layer"
	"github.com/stagecrew/stagecrew/pkg/build/workspace"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
)

// layering is one build of the layers builder.
type layering struct {
	Options
	session  *registry.Client
	pushing  *push.Session
	source   *workspace.Workspace
	dir      string // for layers and unpacked archives
	repo     name.Repository
	keepIn   name.Repository
	pusher   *push.Repository
	targets  []*target
	plan     *plan
	tops     []string // what of the source is read
	omitted  omitted
	app      *layer.File
	config   *layer.File
	mu       sync.Mutex               // for sent, while layers are packed
	sent     map[string]push.Transfer // by digest
	opened   []*os.Root
	finished []*layer.File
	result   Result

	installDir string         // what the package manager installed, until it is packed
	clearing   sync.WaitGroup // for its removal
}

// target is one platform of the image.
type target struct {
	platform string
	base     *baseImage
	tree     *installed // where its dependencies are, or would be
	key      string
	reused   *layer.Kept // nil when the layer has to be made
	image    v1.Image
}

func buildLayers(ctx context.Context, o Options) (Result, error) {
	dir, err := os.MkdirTemp("", "stagecrew-build-")
	if err != nil {
		return Result{}, fmt.Errorf("making a folder for layers: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	session := o.Images.Connect()
	b := &layering{Options: o, session: session, pushing: push.New(session), dir: dir, plan: &plan{}, sent: map[string]push.Transfer{}}
	defer b.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := b.begin(ctx, stop); err != nil {
		return Result{}, err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"look up dependencies", b.lookUp},
		{"install dependencies", b.install},
		{"pack", b.pack},
		{"assemble", b.assemble},
		{"push", b.push},
		{"keep dependencies", b.keep},
	} {
		if err := b.result.phase(step.name, func() error { return step.run(ctx) }); err != nil {
			return Result{}, err
		}
	}
	b.describe()
	return b.result, nil
}

// begin reads the workspace, after its own build if that is wanted, and asks the
// registries meanwhile. What is wrong with the workspace is told first; a base image
// that is not there ends the workspace's build, which can take minutes.
func (b *layering) begin(ctx context.Context, stop func()) error {
	opening, end := context.WithCancelCause(ctx)
	defer end(nil)
	var asked, opened record.Phase
	var asking error
	var both sync.WaitGroup
	both.Go(func() {
		asked, asking = timed("resolve", func() error { return record.Guard(func() error { return b.resolve(ctx) }) })
		if asking != nil {
			end(asking)
		}
	})
	opened, err := timed("prepare", func() error { return b.open(opening) })
	if err != nil {
		stop()
	}
	both.Wait()
	b.result.Phases = append(b.result.Phases, opened, asked)
	if err != nil {
		return err
	}
	return asking
}

func (b *layering) close() {
	b.clearInstalled()
	b.clearing.Wait()
	for _, l := range b.finished {
		_ = l.Close()
	}
	for _, root := range b.opened {
		_ = root.Close()
	}
	if b.source != nil {
		b.source.Close()
	}
}

// parallelBases is how many base images are asked for at the same time.
const parallelBases = 4

// resolve finds the base images and logs in where the image goes.
func (b *layering) resolve(ctx context.Context) error {
	var err error
	if b.repo, err = name.NewRepository(b.Repository); err != nil {
		return record.BadInput("build/options", "parsing repository %q: %w", b.Repository, err)
	}
	if b.keepIn, err = name.NewRepository(b.CacheRepository); err != nil {
		return record.BadInput("build/options", "parsing repository %q: %w", b.CacheRepository, err)
	}
	var group errgroup.Group
	group.SetLimit(parallelBases)
	for _, platform := range b.platforms() {
		t := &target{platform: platform}
		b.targets = append(b.targets, t)
		// The base is read later, too, when the context of this step is over.
		group.Go(func() error {
			return record.Guard(func() (err error) {
				t.base, err = findBase(ctx, b.session, b.BaseImage, t.platform)
				return err
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, t := range b.targets {
		b.Log.Info("base image resolved", "platform", t.platform, "reference", b.BaseImage, "digest", t.base.ref.Digest)
	}
	b.pusher, err = b.pushing.To(ctx, b.repo, b.baseRepo(), b.keepIn)
	if err != nil {
		return registry.Wrap(err, "logging in to push to %q", b.Repository)
	}
	return nil
}

func (b *layering) baseRepo() name.Repository {
	repo, err := name.NewRepository(b.targets[0].base.ref.Repository)
	if err != nil {
		return b.repo // it was parsed before
	}
	return repo
}
