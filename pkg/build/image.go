package build

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/layer"
	"github.com/stagecrew/stagecrew/pkg/migrations"
)

// namedLayer is a layer of ours, with the key of its content where it has one.
type namedLayer struct {
	listing
	name, key string
}

// listing is a layer that can say which migrations it has.
type listing interface {
	v1.Layer
	Migrations() (migrations.Set, bool)
}

// listOf is the label with the migrations of our layers, which a deploy compares with
// those of another image; "" where one of them does not know its own.
func listOf(layers []namedLayer) (string, error) {
	list := migrations.List{Files: migrations.Set{}}
	for _, l := range layers {
		id, err := l.DiffID()
		if err != nil {
			return "", err
		}
		files, known := l.Migrations()
		if !known {
			return "", nil
		}
		list.Layers = append(list.Layers, id.String())
		list.Files.Join(files)
	}
	return list.Label()
}

// assemble puts our layers on the base and writes the configuration.
func assemble(base *baseImage, layers []namedLayer, p *plan, o Options) (v1.Image, error) {
	labels := imageLabels(base.name, base.ref.Digest, o)
	additions := make([]mutate.Addendum, len(layers))
	for i, l := range layers {
		additions[i] = mutate.Addendum{Layer: l.listing, MediaType: base.layerType, History: v1.History{
			Created: v1.Time{Time: o.Created}, CreatedBy: "stagecrew build: " + l.name,
		}}
		if l.key != "" {
			additions[i].Annotations = map[string]string{layer.KeyAnnotation: l.key}
			labels[layer.KeyAnnotation] = l.key
		}
		if base.manifestType != types.OCIManifestSchema1 {
			additions[i].Annotations = nil // Docker's older manifest has none
		}
	}
	image, err := mutate.Append(plainBase{base.image}, additions...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.Config = runConfig(file.Config, labels, p)
	file.History = whole(file.History, len(file.RootFS.DiffIDs))
	list, err := listOf(layers)
	if err != nil {
		return nil, err
	}
	if list != "" {
		file.Config.Labels[migrations.ListLabel] = list
	}
	file.Created = v1.Time{Time: o.Created}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, err
	}
	if base.manifestType == types.OCIManifestSchema1 {
		image = mutate.Annotations(image, labels).(v1.Image)
	}
	return image, nil
}

// whole is a history with an entry for each layer. The base need not have one, or one for some
// of its layers; podman and buildah build on no image with fewer than layers
// (containers/podman#21094, aws/aws-lambda-base-images#2, OSInside/kiwi#918), and
// whoever shows them would take ours for those of other layers.
func whole(history []v1.History, layers int) []v1.History {
	for _, step := range history {
		if !step.EmptyLayer {
			layers--
		}
	}
	missing := make([]v1.History, max(layers, 0))
	for i := range missing {
		missing[i] = v1.History{Created: v1.Time{Time: epoch}, Comment: "a layer of the base image, whose history does not have it"}
	}
	return append(missing, history...)
}

// assembleIndex joins the images of several platforms.
func assembleIndex(bases []*baseImage, images []v1.Image, o Options) v1.ImageIndex {
	mediaType := types.OCIImageIndex
	additions := make([]mutate.IndexAddendum, len(images))
	for i, image := range images {
		if bases[i].manifestType != types.OCIManifestSchema1 {
			mediaType = types.DockerManifestList
		}
		additions[i] = mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: bases[i].platform}}
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, mediaType), additions...)
	if mediaType == types.OCIImageIndex {
		index = mutate.Annotations(index, imageLabels(bases[0].name, bases[0].index, o)).(v1.ImageIndex)
	}
	return index
}

// runConfig says how the image runs. The base's entry point stays where it can.
func runConfig(c v1.Config, labels map[string]string, p *plan) v1.Config {
	// Numbers, because Kubernetes cannot tell that a named user is not root.
	c.User = "1000:1000"
	c.WorkingDir = "/" + backstage.WorkDir
	c.OnBuild = nil // of the base's own heirs, which a Dockerfile's builder runs and drops
	c.Volumes = maps.Clone(c.Volumes)
	maps.DeleteFunc(c.Volumes, func(folder string, _ struct{}) bool { return covers(folder, c.WorkingDir) })
	c.Entrypoint, c.Cmd = backstage.Start(c.Entrypoint, backstage.Command(p.hasConfig(backstage.ProductionConfig)))
	c.Env = setEnv(c.Env, "NODE_ENV", func(string) string { return "production" })
	c.Env = setEnv(c.Env, backstage.NodeOptions, func(old string) string {
		if slices.Contains(strings.Fields(old), backstage.NoSnapshot) {
			return old
		}
		return strings.TrimSpace(old + " " + backstage.NoSnapshot)
	})
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	if c.ExposedPorts == nil {
		c.ExposedPorts = map[string]struct{}{}
	}
	c.ExposedPorts[backstage.Port] = struct{}{}
	c.Labels = maps.Clone(c.Labels)
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	maps.DeleteFunc(c.Labels, func(name, _ string) bool { return ofAnImage(name) })
	maps.Copy(c.Labels, labels)
	return c
}

// covers reports whether a volume of the base would be in the place of the application,
// or of a part of it: runtimes copy what is there at each start, or show an empty folder.
func covers(volume, app string) bool {
	volume, app = path.Clean("/"+volume)+"/", path.Clean("/"+app)+"/"
	return volume == "//" || strings.HasPrefix(app, volume) || strings.HasPrefix(volume, app)
}

// ofRedHat are the labels by which Red Hat's images, and those that are made like them, say what
// they are. Who inherits them is ubi9 for scanners and in the lists of registries
// (konflux-ci/build-definitions#2998, openbao/openbao#3504, grafana/docker-otel-lgtm#837).
var ofRedHat = []string{
	"architecture", "build-date", "com.redhat.build-host", "com.redhat.component", "com.redhat.license_terms", "cpe", "description",
	"distribution-scope", "io.buildah.version", "io.k8s.description", "io.k8s.display-name", "io.openshift.expose-services", "io.openshift.tags",
	"name", "release", "summary", "url", "vcs-ref", "vcs-type", "vendor", "version",
}

// ofAnImage reports whether a label says what an image is: its version, its source, its
// migrations. Those of the base are not true of the application.
func ofAnImage(label string) bool {
	return label == migrations.SaidLabel || label == migrations.ListLabel || slices.Contains(ofRedHat, label) ||
		strings.HasPrefix(label, "org.opencontainers.image.") || strings.HasPrefix(label, "org.label-schema.")
}

// plainBase is a base without the annotations of its manifest, which tell about the
// base.
type plainBase struct{ v1.Image }

// Manifest implements [v1.Image].
func (b plainBase) Manifest() (*v1.Manifest, error) {
	manifest, err := b.Image.Manifest()
	if err != nil {
		return nil, err
	}
	manifest = manifest.DeepCopy()
	manifest.Annotations = nil
	return manifest, nil
}

// setEnv replaces the value of a variable, or adds the variable at the end.
func setEnv(env []string, name string, value func(old string) string) []string {
	env = slices.Clone(env)
	for i, pair := range env {
		if old, ok := strings.CutPrefix(pair, name+"="); ok {
			env[i] = name + "=" + value(old)
			return env
		}
	}
	return append(env, name+"="+value(""))
}

func imageLabels(baseName, baseDigest string, o Options) map[string]string {
	labels := map[string]string{
		ocispec.AnnotationCreated:         o.Created.Format(time.RFC3339),
		ocispec.AnnotationVersion:         o.Version,
		ocispec.AnnotationRevision:        o.Revision,
		ocispec.AnnotationSource:          o.SourceURL,
		ocispec.AnnotationBaseImageName:   baseName,
		ocispec.AnnotationBaseImageDigest: baseDigest,
	}
	maps.Copy(labels, o.Labels)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}
