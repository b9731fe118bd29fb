package registry

import (
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// one is an image for a platform, as its configuration says.
func one(t *testing.T, architecture, variant string) v1.Image {
	t.Helper()
	return configured(t, "linux", architecture, variant)
}

func configured(t *testing.T, os, architecture, variant string) v1.Image {
	t.Helper()
	image := registrytest.EmptyImage(t)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{OS: os, Architecture: architecture, Variant: variant, RootFS: registrytest.RootFS(t, image)})
	require.NoError(t, err)
	return image
}

func in(image mutate.Appendable, says *v1.Platform) mutate.IndexAddendum {
	return mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: says}}
}

// attestation is how BuildKit lists one, where somebody dropped its platform.
func attestation(of mutate.Appendable) mutate.IndexAddendum {
	return mutate.IndexAddendum{Add: of, Descriptor: v1.Descriptor{Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"}}}
}

func indexOf(entries ...mutate.IndexAddendum) v1.ImageIndex {
	return mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), entries...)
}

func TestAnIndexIsReadAlikeByAllWhoReadOne(t *testing.T) {
	artifact := mutate.ConfigMediaType(registrytest.EmptyImage(t), "application/vnd.oci.empty.v1+json")
	amd, arm := &v1.Platform{OS: "linux", Architecture: "amd64"}, &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	newer := &v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v3"}
	for _, c := range []struct {
		name  string
		index v1.ImageIndex
		want  []string // platforms of the entries
		amd64 string   // variant of the image for linux/amd64, or the refusal
	}{
		{"platforms as the index says", indexOf(in(one(t, "arm64", "v8"), arm), in(one(t, "amd64", ""), amd)), []string{"linux/arm64/v8", "linux/amd64"}, ""},
		// containers/podman#24685, containers/image#911, pulp/pulp_container#2202, quay/quay#2657
		{"no platform", indexOf(in(one(t, "amd64", ""), nil)), []string{"linux/amd64"}, ""},
		{"a platform of nothing", indexOf(in(one(t, "amd64", "v2"), &v1.Platform{})), []string{"linux/amd64/v2"}, "v2"},
		{"no platform, another processor", indexOf(in(one(t, "arm64", ""), nil)), []string{"linux/arm64"}, "it has only linux/arm64"},
		{"two of one processor, the demanding one first", indexOf(in(one(t, "amd64", "v3"), newer), in(one(t, "amd64", ""), amd)), []string{"linux/amd64/v3", "linux/amd64"}, ""},
		{"attestations of BuildKit", indexOf(in(one(t, "amd64", ""), amd), in(artifact, &v1.Platform{OS: "unknown", Architecture: "unknown"})), []string{"linux/amd64"}, ""},
		// docker/buildx#1507, microsoft/Docker-Provider#911
		{"attestations of BuildKit without their platform", indexOf(in(one(t, "amd64", ""), amd), in(configured(t, "unknown", "unknown", ""), nil)), []string{"linux/amd64"}, ""},
		{"attestations of BuildKit by their annotation", indexOf(in(one(t, "amd64", ""), amd), attestation(one(t, "arm64", ""))), []string{"linux/amd64"}, ""},
		{"an artifact without platform", indexOf(in(artifact, nil)), nil, "its index names no image"},
		{"nothing", indexOf(), nil, "its index names no image"},
		// image-spec, image-index.md: implementations should support a nested index.
		{"an index in it", indexOf(in(indexOf(in(one(t, "amd64", ""), nil)), nil)), []string{"linux/amd64"}, ""},
		{"indexes without end", indexOf(in(indexOf(in(indexOf(in(indexOf(), nil)), nil)), nil)), nil, "indexes in indexes deeper than 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref, err := name.NewTag(registrytest.Serve(t, nil) + "/team/app:x")
			require.NoError(t, err)
			require.NoError(t, remote.WriteIndex(ref, c.index))
			access := Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 1, First: time.Millisecond, Longest: time.Millisecond}}
			client := access.Connect()
			descriptor, err := client.Get(t.Context(), ref)
			require.NoError(t, err)
			entries, _ := client.Entries(t.Context(), ref.Context(), descriptor)
			var got []string
			for _, e := range entries {
				got = append(got, e.Platform.String())
			}
			require.Equal(t, c.want, got)
			image, err := client.ImageFor(t.Context(), ref.Context(), descriptor, amd)
			if err != nil {
				require.ErrorContains(t, err, c.amd64)
			} else {
				config, err := image.ConfigFile()
				require.NoError(t, err)
				require.Equal(t, "amd64", config.Architecture)
				require.Equal(t, c.amd64, config.Variant)
			}
			platforms, err := access.Platforms(t.Context(), ref.String(), nil)
			if len(c.want) == 0 {
				require.Error(t, err, "for the kubelet there is no image")
				require.NotEqual(t, record.KindUnavailable, record.KindOf(err))
				return
			}
			require.NoError(t, err)
			require.NotEmpty(t, platforms)
		})
	}
}

// linux/arm64/v8 is linux/arm64 (GoogleContainerTools/kaniko#2013, #1995,
// moby/buildkit#4082): indexes name the variant or do not.
func TestTheVariantOfArm64IsTheOnlyOne(t *testing.T) {
	for _, variant := range []string{"", "v8"} {
		ref, err := name.NewTag(registrytest.Serve(t, nil) + "/team/app:x")
		require.NoError(t, err)
		require.NoError(t, remote.WriteIndex(ref, indexOf(in(one(t, "arm64", variant), &v1.Platform{OS: "linux", Architecture: "arm64", Variant: variant}))))
		client := Access{Insecure: []string{"127.0.0.1"}}.Connect()
		descriptor, err := client.Get(t.Context(), ref)
		require.NoError(t, err)
		for _, wanted := range []string{"", "v8"} {
			_, err := client.ImageFor(t.Context(), ref.Context(), descriptor, &v1.Platform{OS: "linux", Architecture: "arm64", Variant: wanted})
			require.NoError(t, err, "%q in an index of %q", wanted, variant)
		}
	}
}
