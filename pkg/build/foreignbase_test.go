package build

import (
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// onBase builds on a base of its own and gives the image's configuration and manifest.
func onBase(t *testing.T, change func(*v1.Config), annotations map[string]string) (v1.Config, *v1.Manifest) {
	t.Helper()
	host := registrytest.Serve(t, nil)
	reference := pushChangedBase(t, host, func(base v1.Image) (v1.Image, error) {
		file, err := base.ConfigFile()
		require.NoError(t, err)
		file = file.DeepCopy()
		change(&file.Config)
		base, err = mutate.ConfigFile(base, file)
		require.NoError(t, err)
		return mutate.Annotations(base, annotations).(v1.Image), nil
	})
	o := options(writeTree(t, portal()), host, reference)
	o.Version, o.SourceURL = "", ""
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	image := registrytest.Pull(t, result.Image)
	made, err := image.ConfigFile()
	require.NoError(t, err)
	manifest, err := image.Manifest()
	require.NoError(t, err)
	return made.Config, manifest
}

// pushChangedBase pushes a base image that is another one than the usual, and gives its reference.
func pushChangedBase(t *testing.T, host string, change func(base v1.Image) (v1.Image, error)) string {
	t.Helper()
	reference := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	tag, err := name.ParseReference(reference)
	require.NoError(t, err)
	base, err := remote.Image(tag)
	require.NoError(t, err)
	base, err = change(base)
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag, base))
	return reference
}

// Sources: remvze/moodist#104, ttlequals0/MinusPod#576, renovatebot/renovate#21234.
func TestWhatTheBaseSaysAboutItselfIsNotSaidOfTheApplication(t *testing.T) {
	foreign := map[string]string{
		ocispec.AnnotationVersion: "22.11.0", ocispec.AnnotationSource: "https://example.com/node", ocispec.AnnotationTitle: "node", ocispec.AnnotationURL: "https://example.com",
		"org.label-schema.version": "22.11.0", "com.example.team": "platform",
	}
	config, manifest := onBase(t, func(c *v1.Config) { c.Labels = foreign }, foreign)
	for _, said := range []map[string]string{config.Labels, manifest.Annotations} {
		for _, label := range []string{ocispec.AnnotationVersion, ocispec.AnnotationSource, ocispec.AnnotationTitle, ocispec.AnnotationURL, "org.label-schema.version"} {
			require.NotContains(t, said, label)
		}
		require.Equal(t, "abc", said[ocispec.AnnotationRevision])
		require.NotEmpty(t, said[ocispec.AnnotationBaseImageDigest])
	}
	require.Equal(t, "platform", config.Labels["com.example.team"], "what is not about the image stays")
	require.NotContains(t, manifest.Annotations, "com.example.team")
}

// Sources: konflux-ci/build-definitions#2998, openbao/openbao#3504, grafana/docker-otel-lgtm#837, moby/buildkit#4110.
func TestWhatRedHatsImagesSayAboutThemselvesIsNotSaidOfTheApplication(t *testing.T) {
	config, _ := onBase(t, func(c *v1.Config) {
		c.Labels = map[string]string{
			"name": "ubi9/nodejs-22-minimal", "version": "9.6", "release": "1752000000", "vendor": "Red Hat, Inc.", "com.redhat.component": "nodejs-22-minimal-container",
			"cpe": "cpe:/o:redhat:enterprise_linux:9", "io.k8s.display-name": "Node.js 22 Minimal", "vcs-ref": "0123456", "summary": "Minimal image for running Node.js",
			"io.openshift.s2i.scripts-url": "image:///usr/libexec/s2i", "maintainer": "SoftwareCollections.org",
		}
	}, nil)
	for _, label := range []string{"name", "version", "release", "vendor", "com.redhat.component", "cpe", "io.k8s.display-name", "vcs-ref", "summary"} {
		require.NotContains(t, config.Labels, label)
	}
	require.Contains(t, config.Labels, "io.openshift.s2i.scripts-url", "what tools look for stays")
	require.Contains(t, config.Labels, "maintainer")
}

// The image runs as 1000:1000 whatever its base; what that means in a base with a user of its
// own is told. Sources: nodejs/node#25714, n8n-io/n8n#22796, facebook/relay#2699, Maintainerr/Maintainerr#830,
// ddtcorex/govard#353; GoogleContainerTools/distroless#443 (nonroot is 65532).
func TestABaseWithAUserOfItsOwnIsTold(t *testing.T) {
	for user, want := range map[string]string{
		"": "", "root": "", "0:0": "", "node": "", "1000": "", "1000:1000": "", "app": "",
		"65532": "HOME (/)", "65532:65532": "HOME (/)", "nonroot": "HOME (/)", "nobody:nogroup": "HOME (/)", "1001": "HOME (/opt/app-root/src)",
	} {
		t.Run(user, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			reference := pushChangedBase(t, host, func(base v1.Image) (v1.Image, error) {
				file, err := base.ConfigFile()
				require.NoError(t, err)
				file = file.DeepCopy()
				file.Config.User = user
				if user == "1001" {
					file.Config.Env = append(file.Config.Env, "HOME=/opt/app-root/src")
				}
				return mutate.ConfigFile(base, file)
			})
			result, err := Build(t.Context(), options(writeTree(t, portal()), host, reference))
			require.NoError(t, err)
			told := strings.Join(result.Warnings, "\n")
			if want == "" {
				require.NotContains(t, told, "is made for its user")
				return
			}
			require.Contains(t, told, "is made for its user "+strings.Split(user, ":")[0]+",")
			require.Contains(t, told, want)
		})
	}
}

// A history is optional, and may be of some layers only: containers/podman#21094,
// aws/aws-lambda-base-images#2, OSInside/kiwi#918, containers/buildah#7037. With fewer
// entries than layers podman and buildah build on no such image.
func TestTheHistoryHasEachLayer(t *testing.T) {
	for name, history := range map[string][]v1.History{
		"none":                  nil,
		"of nothing in a layer": {{CreatedBy: "ENV A=1", EmptyLayer: true}},
		"of one of two":         {{CreatedBy: "ADD rootfs.tar /"}, {CreatedBy: "CMD node", EmptyLayer: true}},
		"of all":                {{CreatedBy: "ADD rootfs.tar /"}, {CreatedBy: "ADD node /"}},
	} {
		t.Run(name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			var layers int
			reference := pushChangedBase(t, host, func(base v1.Image) (v1.Image, error) {
				file, err := base.ConfigFile()
				require.NoError(t, err)
				file = file.DeepCopy()
				layers, file.History = len(file.RootFS.DiffIDs), history
				return mutate.ConfigFile(base, file)
			})
			require.Equal(t, 2, layers)
			result, err := Build(t.Context(), options(writeTree(t, portal()), host, reference))
			require.NoError(t, err)
			made, err := registrytest.Pull(t, result.Image).ConfigFile()
			require.NoError(t, err)
			var full []string
			for _, step := range made.History {
				if !step.EmptyLayer {
					full = append(full, step.CreatedBy)
				}
			}
			require.Len(t, full, len(made.RootFS.DiffIDs))
			require.Equal(t, []string{"stagecrew build: dependencies", "stagecrew build: application", "stagecrew build: configuration"}, full[layers:])
			require.GreaterOrEqual(t, len(made.History), len(history)+3)
		})
	}
}

// Sources: GoogleContainerTools/distroless#1558, chainguard-dev/dfc#26, moby/moby#9959 (the shell form of an entry point).
func TestTheCommandFitsTheEntryPointOfTheBase(t *testing.T) {
	command := []string{"packages/backend", "--config", "app-config.yaml", "--config", "app-config.production.yaml"}
	for _, c := range []struct {
		name              string
		entrypoint, entry []string
		node              bool
	}{
		{"none", nil, nil, true},
		{"a script that starts the command", []string{"docker-entrypoint.sh"}, []string{"docker-entrypoint.sh"}, true},
		{"Node", []string{"/nodejs/bin/node"}, []string{"/nodejs/bin/node"}, false},
		{"Node by another name, below an init", []string{"/sbin/tini", "--", "nodejs"}, []string{"/sbin/tini", "--", "nodejs"}, false},
		{"an init", []string{"/usr/bin/dumb-init", "--"}, []string{"/usr/bin/dumb-init", "--"}, true},
		{"a shell that takes one word", []string{"/bin/sh", "-c"}, nil, true},
		{"a shell with a text of its own, below an init", []string{"tini", "--", "/bin/sh", "-c", "exec node"}, []string{"tini", "--"}, true},
		{"a shell that passes on", []string{"sh", "-ec", "exec \"$@\"", "sh"}, []string{"sh", "-ec", "exec \"$@\"", "sh"}, true},
		{"Node with options", []string{"/nodejs/bin/node", "--enable-source-maps", "-r", "./trace.js"}, []string{"/nodejs/bin/node", "--enable-source-maps", "-r", "./trace.js"}, false},
		{"Node with a program of the base's own", []string{"docker-entrypoint.sh", "node", "server.js"}, []string{"docker-entrypoint.sh"}, true},
		{"a user of that name", []string{"gosu", "node"}, []string{"gosu", "node"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, _ := onBase(t, func(config *v1.Config) { config.Entrypoint = c.entrypoint }, nil)
			want := command
			if c.node {
				want = append([]string{"node"}, command...)
			}
			require.Equal(t, c.entry, config.Entrypoint)
			require.Equal(t, want, config.Cmd)
			require.Equal(t, "1000:1000", config.User)
		})
	}
}

// Charts and other artifacts have the form of an image; containerd refuses an image whose
// configuration does not fit its layers (searlsco/posse_party#27: "mismatched image rootfs
// and manifest layers").
func TestABaseThatNoRuntimeStartsIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(v1.Image) v1.Image
	}{
		{"a chart", "its configuration is application/vnd.cncf.helm.config.v1+json", func(base v1.Image) v1.Image {
			return mutate.ConfigMediaType(base, "application/vnd.cncf.helm.config.v1+json")
		}},
		{"a layer that its configuration does not know", "its configuration knows 0", func(base v1.Image) v1.Image {
			file, err := base.ConfigFile()
			require.NoError(t, err)
			file = file.DeepCopy()
			file.RootFS.DiffIDs = nil
			base, err = mutate.ConfigFile(base, file)
			require.NoError(t, err)
			return base
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			reference := registrytest.PushBase(t, host, types.OCIManifestSchema1)
			tag, err := name.ParseReference(reference)
			require.NoError(t, err)
			base, err := remote.Image(tag)
			require.NoError(t, err)
			require.NoError(t, remote.Write(tag, c.change(base)))
			_, err = Build(t.Context(), options(writeTree(t, portal()), host, reference))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "[build/no-image]")
		})
	}
}

// What a base image tells its heirs to do is done by a Dockerfile's builder, and a volume
// in the place of the application hides it (moby/moby#44604, eclipse-che/che#16556). Its
// health check and other volumes stay (GoogleContainerTools/jib#595, #676).
func TestWhatTheBaseWantsOfItsHeirs(t *testing.T) {
	check := &v1.HealthConfig{Test: []string{"CMD", "true"}}
	config, _ := onBase(t, func(c *v1.Config) {
		c.OnBuild, c.Healthcheck = []string{"COPY . /usr/src/app"}, check
		c.Volumes = map[string]struct{}{"/app": {}, "/app/node_modules": {}, "/data": {}, "/application": {}}
	}, nil)
	require.Empty(t, config.OnBuild)
	require.Equal(t, map[string]struct{}{"/data": {}, "/application": {}}, config.Volumes)
	require.Equal(t, check, config.Healthcheck)
}

// Source: scikit-build/scikit-build-core#1423 (milliseconds).
func TestATimeThatNoImageCanSayIsRefused(t *testing.T) {
	o := options(t.TempDir(), "registry.example.com", "registry.example.com/base:1")
	for seconds, fits := range map[int64]bool{1_700_000_000: true, 253_402_300_799: true, 253_402_300_800: false, 1_700_000_000_000: false} {
		o.Created = time.Unix(seconds, 0)
		err := o.Validate()
		if fits {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "SOURCE_DATE_EPOCH")
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
}
