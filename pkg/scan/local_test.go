//go:build goexperiment.jsonv2

package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// named gives what an image would be called in the site's registry.
func (s *site) named(t *testing.T, content interface{ Digest() (v1.Hash, error) }) record.Image {
	t.Helper()
	digest, err := content.Digest()
	require.NoError(t, err)
	return record.Image{Repository: s.host + "/team/app", Digest: digest.String()}
}

// written writes an image layout.
func laidOut(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	dir := t.TempDir()
	_, err := layout.Write(dir, index)
	require.NoError(t, err)
	return dir
}

func archived(t *testing.T, dir string) *bytes.Buffer {
	t.Helper()
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	require.NoError(t, archive.AddFS(os.DirFS(dir)))
	require.NoError(t, archive.Close())
	return &content
}

func TestBytesAtHandAreScannedWithoutARegistry(t *testing.T) {
	s := withDatabase(t)
	single := image(t, npm("minimist", "1.2.5"))
	index := mutate.AppendManifests(empty.Index, platform(single, "linux", "amd64"), platform(image(t, npm("lodash", "4.17.20")), "linux", "arm64"))
	both := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: single}, mutate.IndexAddendum{Add: index})
	cases := map[string]struct {
		image    record.Image
		open     func(*testing.T, record.Image) (scan.Local, error)
		blocking []string
	}{
		"an image": {
			image:    s.named(t, single),
			open:     func(*testing.T, record.Image) (scan.Local, error) { return single, nil },
			blocking: []string{"CVE-2021-44906"},
		},
		"an index": {
			image:    s.named(t, index),
			open:     func(*testing.T, record.Image) (scan.Local, error) { return index, nil },
			blocking: []string{"CVE-2021-44906", "CVE-2021-23337"},
		},
		"an image in a layout": {
			image: s.named(t, single),
			open: func(t *testing.T, i record.Image) (scan.Local, error) {
				return scan.OpenLayout(laidOut(t, both), i)
			},
			blocking: []string{"CVE-2021-44906"},
		},
		"an index in a stream": {
			image: s.named(t, index),
			open: func(t *testing.T, i record.Image) (scan.Local, error) {
				return scan.ReadArchive(t.Context(), archived(t, laidOut(t, both)), t.TempDir(), i)
			},
			blocking: []string{"CVE-2021-44906", "CVE-2021-23337"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := s.options(c.image)
			o.CacheDir = t.TempDir()
			var err error
			o.Local, err = c.open(t, c.image)
			require.NoError(t, err)
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

// blob gives the file of a layer in a layout.
func blob(t *testing.T, dir string, img v1.Image) string {
	t.Helper()
	layers, err := img.Layers()
	require.NoError(t, err)
	digest, err := layers[0].Digest()
	require.NoError(t, err)
	return filepath.Join(dir, "blobs", digest.Algorithm, digest.Hex)
}

// swapped is one image with the configuration of another.
type swapped struct {
	v1.Image
	other v1.Image
}

func (s swapped) RawConfigFile() ([]byte, error) { return s.other.RawConfigFile() }

func TestBytesThatAreNotThoseOfTheDigestAreRefused(t *testing.T) {
	s := withDatabase(t)
	vulnerable, harmless := image(t, npm("minimist", "1.2.5")), image(t, npm("minimist", "1.2.8"))
	wanted := s.named(t, vulnerable)
	dir := laidOut(t, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: vulnerable}, mutate.IndexAddendum{Add: harmless}))
	content, err := os.ReadFile(blob(t, dir, harmless))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(blob(t, dir, vulnerable), content, fs.FileMode(0o600)))
	altered, err := scan.OpenLayout(dir, wanted)
	require.NoError(t, err)
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

	for name, local := range map[string]scan.Local{
		"another image":             harmless,
		"another index":             mutate.AppendManifests(empty.Index, platform(harmless, "linux", "amd64")),
		"another layer in a layout": altered,
		"another configuration":     swapped{vulnerable, running(t, vulnerable, "arm64")},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options(wanted)
			o.Local = local
			_, err := scan.Run(t.Context(), o)
			requireCode(t, "scan/image-unusable", err)
		})
	}
}

func TestLayoutsThatAreNotWhatWasAskedForAreRefused(t *testing.T) {
	s := &site{host: "registry.example.com"}
	img := image(t, npm("minimist", "1.2.5"))
	wanted := s.named(t, img)
	_, err := scan.OpenLayout(t.TempDir(), wanted)
	requireCode(t, "scan/image-unusable", err)
	_, err = scan.OpenLayout(laidOut(t, empty.Index), wanted)
	requireCode(t, "scan/image-unusable", err)
	require.ErrorContains(t, err, "no image sha256:")

	whole := archived(t, laidOut(t, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})))
	_, err = scan.ReadArchive(t.Context(), io.LimitReader(whole, 1000), t.TempDir(), wanted)
	requireCode(t, "scan/image-unusable", err)

	var bad bytes.Buffer
	archive := tar.NewWriter(&bad)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "../escaped", Mode: 0o600, Size: 1}))
	_, _ = archive.Write([]byte("x"))
	require.NoError(t, archive.Close())
	dir := t.TempDir()
	_, err = scan.ReadArchive(t.Context(), &bad, filepath.Join(dir, "layout"), wanted)
	requireCode(t, "scan/image-unusable", err)
	require.NoFileExists(t, filepath.Join(dir, "escaped"))

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = scan.ReadArchive(cancelled, whole, t.TempDir(), wanted)
	require.ErrorIs(t, err, context.Canceled)
}
