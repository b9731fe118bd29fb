//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
	"github.com/stagecrew/stagecrew/pkg/scan/oci"
)

// named gives what an image would be called in the site's registry.
func (s *site) named(t *testing.T, content interface{ Digest() (v1.Hash, error) }) record.Image {
	t.Helper()
	digest, err := content.Digest()
	require.NoError(t, err)
	return record.Image{Repository: s.host + "/team/app", Digest: digest.String()}
}

func TestBytesAtHandAreScannedWithoutARegistry(t *testing.T) {
	s := withDatabase(t)
	single := image(t, npm("minimist", "1.2.5"))
	index := mutate.AppendManifests(empty.Index, platform(single, "linux", "amd64"), platform(image(t, npm("lodash", "4.17.20")), "linux", "arm64"))
	cases := map[string]struct {
		image    record.Image
		local    oci.Local
		blocking []string
	}{
		"an image": {
			image:    s.named(t, single),
			local:    single,
			blocking: []string{"CVE-2021-44906"},
		},
		"an index": {
			image:    s.named(t, index),
			local:    index,
			blocking: []string{"CVE-2021-44906", "CVE-2021-23337"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := s.options(c.image)
			o.CacheDir = t.TempDir()
			o.Local = c.local
			pulled := s.requests("/team/app/")
			r, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.blocking, ids(r.Report.Blocking))
			require.Equal(t, c.image, r.Report.Image)
			require.Zero(t, pulled.Load())
		})
	}
}

func TestResultsOfPlatformsThatWereScannedOneByOneAreThoseOfTheIndex(t *testing.T) {
	s := withDatabase(t)
	index := mutate.AppendManifests(empty.Index,
		platform(running(t, image(t, npm("minimist", "1.2.5")), "amd64"), "linux", "amd64"),
		platform(running(t, image(t, npm("lodash", "4.17.20")), "arm64"), "linux", "arm64"))
	pushed := s.pushIndex(t, index)
	whole, err := scan.Run(t.Context(), s.options(pushed))
	require.NoError(t, err)
	var parts []scan.Result
	for n := range 2 {
		one, err := index.Image(digestOf(t, index, n))
		require.NoError(t, err)
		o := s.options(s.named(t, one))
		o.Local = one
		part, err := scan.Run(t.Context(), o)
		require.NoError(t, err)
		parts = append(parts, part)
	}
	require.Equal(t, whole.Report, scan.Combine(pushed, parts...).Report)
	require.Equal(t, "linux/amd64: app/node_modules/minimist/package.json", whole.Report.Findings[0].Target)
}

func running(t *testing.T, img v1.Image, architecture string) v1.Image {
	t.Helper()
	config, err := img.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	img, err = mutate.ConfigFile(img, config)
	require.NoError(t, err)
	return img
}

// swapped is one image with the configuration of another.
type swapped struct {
	v1.Image
	other v1.Image
}

func (s swapped) RawConfigFile() ([]byte, error) { return s.other.RawConfigFile() }

// laidBy is one image with the layers of another.
type laidBy struct {
	v1.Image
	other v1.Image
}

func (l laidBy) LayerByDiffID(v1.Hash) (v1.Layer, error) {
	layers, err := l.other.Layers()
	if err != nil {
		return nil, err
	}
	return layers[0], nil
}

func TestBytesThatAreNotThoseOfTheDigestAreRefused(t *testing.T) {
	s := withDatabase(t)
	vulnerable, harmless := image(t, npm("minimist", "1.2.5")), image(t, npm("minimist", "1.2.8"))
	wanted := s.named(t, vulnerable)
	// A layer that the configuration does not know would not be looked at.
	two, err := mutate.AppendLayers(harmless, layer(t, npm("minimist", "1.2.5")))
	require.NoError(t, err)
	known, err := harmless.ConfigFile()
	require.NoError(t, err)
	hidden, err := mutate.ConfigFile(two, known)
	require.NoError(t, err)
	o := s.options(s.named(t, hidden))
	o.Local = hidden
	_, err = scan.Run(t.Context(), o)
	requireCode(t, "scan/image-unusable", err)

	for name, local := range map[string]oci.Local{
		"another image":         harmless,
		"another index":         mutate.AppendManifests(empty.Index, platform(harmless, "linux", "amd64")),
		"another layer":         laidBy{vulnerable, harmless},
		"another configuration": swapped{vulnerable, running(t, vulnerable, "arm64")},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options(wanted)
			o.Local = local
			_, err := scan.Run(t.Context(), o)
			requireCode(t, "scan/image-unusable", err)
		})
	}
}
