package build

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// baseImage is the image to build upon, for one platform.
type baseImage struct {
	name         string // as the user wrote it
	index        string // digest of what the name leads to
	ref          record.Image
	image        v1.Image
	platform     *v1.Platform
	manifestType types.MediaType
	layerType    types.MediaType // of the layers to add, in the base's dialect
	// What native modules are made for: the version of Node, or the digest of a
	// base that does not say it, the C library, and the version of glibc; the last two are
	// "" where they cannot be told.
	node, libc, glibc string
	// As whom the base runs, where that is neither root nor whom the image runs as, and what
	// HOME is then.
	user, home string
}

// runtime is what native code meets in it.
func (b *baseImage) runtime() tree.Runtime {
	return tree.Runtime{LibC: b.libc, GlibC: b.glibc, Node: b.node}
}

// findBase resolves the base image to its digest and to the platform's manifest.
func findBase(ctx context.Context, s *registry.Client, reference, platform string) (*baseImage, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, record.BadInput("build/options", "parsing base image %q: %w", reference, err)
	}
	want, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, record.BadInput("build/options", "parsing platform %q: %w", platform, err)
	}
	descriptor, err := s.Get(ctx, ref)
	if err != nil {
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	image, err := s.ImageFor(ctx, ref.Context(), descriptor, want)
	if err != nil {
		if descriptor.MediaType.IsIndex() && !registry.FromNetwork(err) {
			return nil, record.BadInput("build/base-platform", "choosing %s from base image %q: %w", platform, reference, registry.Shown(err))
		}
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	config, err := checkBase(image, want)
	if err != nil {
		return nil, fmt.Errorf("checking base image %q: %w", reference, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	mediaType, err := image.MediaType()
	if err != nil {
		return nil, registry.Wrap(err, "getting base image %q", reference)
	}
	base := &baseImage{name: reference, index: descriptor.Digest.String(), image: image, platform: want, manifestType: mediaType, layerType: types.OCILayer,
		ref: record.Image{Repository: ref.Context().Name(), Digest: digest.String()}}
	if mediaType == types.DockerManifestSchema2 {
		base.layerType = types.DockerLayer
	}
	base.user, base.home = otherUser(config.Config)
	base.node, base.libc, base.glibc = nodeOf(config, digest.String()), libcOf(ctx, config, image), glibcOf(config, ref.Context().RepositoryStr()+":"+ref.Identifier())
	return base, nil
}

// otherUser tells whom a base is made for, when that is a user of its own, and what HOME is then for
// user 1000, as whom the image runs: 65532 in distroless and Chainguard's images, 1001 in
// Red Hat's. Their /etc/passwd has no user 1000, so that os.userInfo() throws there, and
// nothing can be written to HOME (nodejs/node#25714, n8n-io/n8n#22796, facebook/relay#2699,
// Maintainerr/Maintainerr#830, ddtcorex/govard#353). Other names than those known may be of user 1000.
func otherUser(config v1.Config) (user, home string) {
	user, _, _ = strings.Cut(config.User, ":")
	switch id, err := strconv.ParseUint(user, 10, 32); {
	case err == nil && (id == 0 || id == 1000), err != nil && user != "nonroot" && user != "nobody":
		return "", ""
	}
	home = "/"
	for _, pair := range config.Env {
		if value, ok := strings.CutPrefix(pair, "HOME="); ok && value != "" {
			home = value
		}
	}
	return user, home
}

// nodeOf reads the version as Node's official images tell it.
func nodeOf(config *v1.ConfigFile, digest string) string {
	for _, pair := range config.Config.Env {
		if version, ok := strings.CutPrefix(pair, "NODE_VERSION="); ok && version != "" {
			return version
		}
	}
	return digest
}

// glibcs are the versions of glibc of the systems that base images are made of, by the names
// in their references and in what says how they were made.
var glibcs = map[string]string{
	"buster": "2.28", "bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41", "debian11": "2.31", "debian12": "2.36", "debian13": "2.41",
	"focal": "2.31", "jammy": "2.35", "noble": "2.39", "ubi8": "2.28", "ubi9": "2.34", "ubi10": "2.39",
}

var words = regexp.MustCompile(`[a-z]+\d*`)

// glibcOf tells the version of glibc by how the image was made (Debian's own images say
// "# debian.sh … 'bookworm' …") or by its name; "" when neither names one system.
func glibcOf(config *v1.ConfigFile, called string) string {
	made := ""
	for _, step := range config.History {
		if strings.Contains(step.CreatedBy, "debian.sh") || strings.Contains(step.CreatedBy, "debuerreotype") {
			made += " " + step.CreatedBy
		}
	}
	return cmp.Or(onlyGlibc(made), onlyGlibc(called))
}

// onlyGlibc is the one version that a text names, "" when it names none or several.
func onlyGlibc(text string) (version string) {
	for _, word := range words.FindAllString(text, -1) {
		switch v := glibcs[word]; {
		case v == "" || v == version:
		case version != "":
			return ""
		default:
			version = v
		}
	}
	return version
}

// checkBase refuses an image for another platform, which the registry does not
// look at when the reference leads to a single image.
func checkBase(image v1.Image, want *v1.Platform) (*v1.ConfigFile, error) {
	config, err := registry.Startable(image)
	if err != nil {
		return nil, err
	}
	if config.OS != want.OS || config.Architecture != want.Architecture {
		return nil, record.BadInput("build/base-platform", "it is for %q, the build is for %q", config.OS+"/"+config.Architecture, want.String())
	}
	return config, nil
}
