package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// layering is one build of the layers builder.
type layering struct {
	Options
	session  *session
	source   *workspace
	dir      string // for layers and unpacked archives
	repo     name.Repository
	keepIn   name.Repository
	pusher   *pusher
	targets  []*target
	plan     plan
	app      *fileLayer
	config   *fileLayer
	mu       sync.Mutex          // for sent, while layers are packed
	sent     map[string]transfer // by digest
	opened   []*os.Root
	finished []*fileLayer
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
	reused   *cachedLayer // nil when the layer has to be made
	image    v1.Image
}

func buildLayers(ctx context.Context, o Options) (Result, error) {
	dir, err := os.MkdirTemp("", "stagecrew-build-")
	if err != nil {
		return Result{}, fmt.Errorf("making a folder for layers: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &layering{Options: o, session: o.Images.session(), dir: dir, plan: plan{}, sent: map[string]transfer{}}
	defer b.close()
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"prepare", b.open},
		{"resolve", b.resolve},
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

func (b *layering) close() {
	b.clearInstalled()
	b.clearing.Wait()
	for _, l := range b.finished {
		_ = l.spool.close()
	}
	for _, root := range b.opened {
		_ = root.Close()
	}
	if b.source != nil {
		b.source.close()
	}
}

// open runs the workspace's own build if that is wanted, and checks what is there.
func (b *layering) open(ctx context.Context) error {
	if b.Prepare {
		root, err := os.OpenRoot(b.Source)
		if err != nil {
			return pipeline.BadInput("build/no-workspace", "opening source %q: %w; give the root folder of the Backstage workspace", b.Source, err)
		}
		w := &workspace{dir: b.Source, root: root, manager: managerOf(root)}
		err = w.prepare(ctx, b.Log)
		w.close()
		if err != nil {
			return err
		}
	}
	source, err := openWorkspace(b.Source, b.Prepare, len(b.Trees) > 0)
	if err != nil {
		return err
	}
	b.source = source
	return b.readApplication()
}

// readApplication plans the application and the configuration, and, where they lie
// in the source, the dependencies.
func (b *layering) readApplication() error {
	tops, err := topEntries(b.source.root, b.Include)
	if err != nil {
		return err
	}
	wanted := application | configuration
	if !b.source.install && len(b.Trees) == 0 {
		wanted |= dependencies
	}
	if err := b.plan.read(b.source.root, tops, wanted); err != nil {
		return err
	}
	if !b.source.packed {
		return nil
	}
	// The archives decide what of the packages belongs to the application.
	for path := range b.plan[application] {
		if top, _, _ := strings.Cut(path, "/"); (top == "packages" || top == "plugins") && !b.isIncluded(path) {
			delete(b.plan[application], path)
		}
	}
	unpacked, err := b.folder("bundle")
	if err != nil {
		return err
	}
	for _, archive := range []string{skeletonArchive, bundleArchive} {
		if err := unpack(unpacked, b.source.root, archive); err != nil {
			return err
		}
	}
	return b.plan.read(unpacked, []string{"."}, application)
}

func (b *layering) isIncluded(path string) bool {
	for _, include := range b.Include {
		if path == include || strings.HasPrefix(path, include+"/") {
			return true
		}
	}
	return false
}

// folder makes a folder of the build's own.
func (b *layering) folder(name string) (*os.Root, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o750); err != nil {
		return nil, err
	}
	return b.openRoot(dir)
}

func (b *layering) openRoot(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b.opened = append(b.opened, root)
	return root, nil
}

// resolve finds the base images and logs in where the image goes.
func (b *layering) resolve(ctx context.Context) error {
	var tasks []func(context.Context) error
	for _, platform := range b.platforms() {
		t := &target{platform: platform}
		b.targets = append(b.targets, t)
		// The base is read later, too, when the context of this step is over.
		tasks = append(tasks, func(context.Context) (err error) {
			t.base, err = b.session.base(ctx, b.BaseImage, t.platform)
			return err
		})
	}
	if err := parallel(ctx, parallelTransfers, tasks...); err != nil {
		return err
	}
	for _, t := range b.targets {
		b.Log.Info("base image resolved", "platform", t.platform, "reference", b.BaseImage, "digest", t.base.ref.Digest)
	}
	var err error
	if b.repo, err = name.NewRepository(b.Repository); err != nil {
		return pipeline.BadInput("build/options", "parsing repository %q: %w", b.Repository, err)
	}
	if b.keepIn, err = name.NewRepository(b.CacheRepository); err != nil {
		return pipeline.BadInput("build/options", "parsing repository %q: %w", b.CacheRepository, err)
	}
	b.pusher, err = b.session.pushTo(ctx, b.repo, b.baseRepo(), b.keepIn)
	if err != nil {
		return registryError(err, "logging in to push to %q", b.Repository)
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

// assemble makes the image of each platform.
func (b *layering) assemble(context.Context) error {
	b.plan.warnDangling(b.Log)
	for _, t := range b.targets {
		layers := []namedLayer{
			{Layer: t.layer(), name: LayerDependencies, key: t.key},
			{Layer: b.app, name: LayerApplication},
			{Layer: b.config, name: LayerConfiguration},
		}
		image, err := assemble(t.base, layers, b.plan, b.Options)
		if err != nil {
			return fmt.Errorf("assembling the image for %s: %w", t.platform, err)
		}
		digest, err := image.Digest()
		if err != nil {
			return fmt.Errorf("assembling the image for %s: %w", t.platform, err)
		}
		t.image = image
		b.result.Platforms = append(b.result.Platforms, Platform{
			Name: t.platform, Image: pipeline.Image{Repository: b.Repository, Digest: digest.String()}, Base: t.base.ref,
		})
	}
	return nil
}

// push sends the images, and lets them be inspected meanwhile.
func (b *layering) push(ctx context.Context) error {
	tasks := []func(context.Context) error{b.pushAll}
	if b.Inspect != nil {
		for i, t := range b.targets {
			tasks = append(tasks, func(ctx context.Context) error { return b.Inspect(ctx, b.result.Platforms[i].Image, t.image) })
		}
	}
	return parallel(ctx, len(tasks), tasks...)
}

func (b *layering) pushAll(ctx context.Context) error {
	for i, t := range b.targets {
		blobs, err := imageBlobs(t.image, b.baseRepo())
		if err != nil {
			return registryError(err, "reading base image %q", b.BaseImage)
		}
		if err := b.send(ctx, t.image, blobs, b.result.Platforms[i].Image.Digest); err != nil {
			return err
		}
	}
	b.result.Image, b.result.Base = b.result.Platforms[0].Image, b.targets[0].base.ref
	if len(b.targets) == 1 {
		return nil
	}
	bases, images := make([]*baseImage, len(b.targets)), make([]v1.Image, len(b.targets))
	for i, t := range b.targets {
		bases[i], images[i] = t.base, t.image
	}
	index := assembleIndex(bases, images, b.Options)
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("assembling the index: %w", err)
	}
	b.result.Image.Digest = digest.String()
	return b.send(ctx, index, nil, digest.String())
}

func (b *layering) send(ctx context.Context, image described, blobs []blob, digest string) error {
	sent, err := b.pusher.image(ctx, image, blobs, digest)
	for d, t := range sent {
		// A layer can have travelled while it was packed.
		if before := b.sent[d]; !before.uploaded && !before.mounted {
			b.sent[d] = t
		}
	}
	if err != nil {
		return registryError(err, "pushing to %q", b.Repository)
	}
	return nil
}

// describe fills the result with what happened to each layer.
func (b *layering) describe() {
	for _, t := range b.targets {
		manifest, err := t.image.Manifest()
		if err != nil {
			continue // it was pushed: it has one
		}
		// By position, because a layer of ours may have the very bytes of a base layer.
		ours := []string{LayerDependencies, LayerApplication, LayerConfiguration}
		first := len(manifest.Layers) - len(ours)
		for i, d := range manifest.Layers {
			sent := b.sent[d.Digest.String()]
			l := Layer{Platform: t.platform, Name: LayerBase, Digest: d.Digest.String(), Size: d.Size, Uploaded: sent.uploaded, Mounted: sent.mounted}
			if i >= first {
				l.Name = ours[i-first]
			}
			if l.Name == LayerDependencies {
				l.Key, l.Reused = t.key, t.reused != nil
			}
			b.result.Layers = append(b.result.Layers, l)
		}
	}
	b.result.Retries = int(b.session.retry.count.Load())
	b.session.mu.Lock()
	defer b.session.mu.Unlock()
	for _, p := range b.session.pushers {
		b.result.Sent += p.bytes.Load()
	}
}
