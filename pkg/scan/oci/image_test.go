package oci

import (
	"io"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func made(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(1000, 2)
	require.NoError(t, err)
	return image
}

func named(t *testing.T, content interface{ Digest() (v1.Hash, error) }) record.Image {
	t.Helper()
	digest, err := content.Digest()
	require.NoError(t, err)
	return record.Image{Repository: "registry.example.com/team/app", Digest: digest.String()}
}

// part is an image of an index.
func part(image v1.Image, os, architecture string) mutate.IndexAddendum {
	return mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: architecture}}}
}

// mixed is one image with the configuration, the layers, or both, of others.
type mixed struct {
	v1.Image
	config, layers v1.Image
}

func (m mixed) RawConfigFile() ([]byte, error) { return m.config.RawConfigFile() }

func (m mixed) LayerByDiffID(v1.Hash) (v1.Layer, error) {
	layers, err := m.layers.Layers()
	return layers[0], err
}

func TestAnImageAtHandIsOpenedAsItsDigestSays(t *testing.T) {
	one, two := made(t), made(t)
	index := mutate.AppendManifests(empty.Index, part(one, "linux", "amd64"), part(two, "linux", "arm64"), part(made(t), "unknown", "unknown"))
	images, err := Open(named(t, index), index)
	require.NoError(t, err)
	require.Len(t, images, 2, "what BuildKit puts beside the images is none")
	require.Equal(t, []string{"linux/amd64", "linux/arm64"}, []string{images[0].Platform, images[1].Platform})
	// docker/buildx#1507, microsoft/Docker-Provider#911: some tools drop that platform.
	nobodys, err := mutate.ConfigFile(made(t), &v1.ConfigFile{OS: "unknown", Architecture: "unknown"})
	require.NoError(t, err)
	other := mutate.IndexAddendum{Add: made(t), Descriptor: v1.Descriptor{MediaType: "application/vnd.example"}}
	index = mutate.AppendManifests(empty.Index, part(one, "linux", "amd64"), mutate.IndexAddendum{Add: nobodys}, other)
	images, err = Open(named(t, index), index)
	require.NoError(t, err)
	require.Len(t, images, 1)
	images, err = Open(named(t, one), one)
	require.NoError(t, err)
	require.Equal(t, named(t, one).String(), images[0].Name())
	for _, id := range images[0].Config.RootFS.DiffIDs {
		require.NoError(t, read(t, images[0], id))
	}
	require.NoError(t, images[0].Trouble())
}

// read reads a layer as a scanner may: not to its end.
func read(t *testing.T, image *Image, id v1.Hash) error {
	t.Helper()
	layer, err := image.LayerByDiffID(id)
	require.NoError(t, err)
	content, err := layer.Uncompressed()
	require.NoError(t, err)
	_, err = io.ReadFull(content, make([]byte, 100))
	require.NoError(t, err)
	_ = content.Close()
	return image.Trouble()
}

func TestWhatIsNotAsItsDigestSaysIsRefused(t *testing.T) {
	wanted, other := made(t), made(t)
	more, err := mutate.AppendLayers(wanted, func() v1.Layer { l, err := other.Layers(); require.NoError(t, err); return l[0] }())
	require.NoError(t, err)
	known, err := wanted.ConfigFile()
	require.NoError(t, err)
	hidden, err := mutate.ConfigFile(more, known)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		image record.Image
		local Local
		want  string
	}{
		"another image":                   {named(t, wanted), other, "it is not what its digest says"},
		"another index":                   {named(t, wanted), mutate.AppendManifests(empty.Index, part(other, "linux", "amd64")), "it is not what its digest says"},
		"another configuration":           {named(t, wanted), mixed{wanted, other, wanted}, "its configuration: it is not what its digest says"},
		"a layer that nobody knows":       {named(t, hidden), hidden, "it has 3 layers, but its configuration knows 2"},
		"an index without images":         {named(t, empty.Index), empty.Index, "its index has no images"},
		"an index in an index, or a list": {named(t, nested()), nested(), "its index holds something of type"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(c.image, c.local)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "[scan/image-unusable]")
			require.Equal(t, record.KindUnavailable, record.KindOf(err))
		})
	}
	images, err := Open(named(t, wanted), mixed{wanted, wanted, other})
	require.NoError(t, err)
	require.ErrorContains(t, read(t, images[0], known.RootFS.DiffIDs[0]), "it is not what its digest says: layer sha256:", "though nobody read it to its end")
}

func nested() v1.ImageIndex {
	return mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: empty.Index})
}
