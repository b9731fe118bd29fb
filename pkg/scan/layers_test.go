//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

func TestALayerIsReadOnceForAllImagesThatHaveIt(t *testing.T) {
	s := withDatabase(t)
	dependencies := layer(t, npm("minimist", "1.2.5"))
	build := func(version string) v1.Image {
		img, err := mutate.AppendLayers(image(t, npm("base", "1.0.0")), dependencies, layer(t, npm("app", version)))
		require.NoError(t, err)
		return img
	}
	pulled := s.requests("/team/app/blobs/")
	first, err := scan.Run(t.Context(), s.options(s.pushImage(t, build("1.0.0"))))
	require.NoError(t, err)
	require.EqualValues(t, 4, pulled.Load(), "three layers and the configuration")

	second, err := scan.Run(t.Context(), s.options(s.pushImage(t, build("2.0.0"))))
	require.NoError(t, err)
	require.EqualValues(t, 6, pulled.Load(), "the new layer and the configuration")
	require.Equal(t, first.Report.Findings, second.Report.Findings)
	require.Equal(t, 3, second.Report.Packages)
	require.Equal(t, []any{"app", "base", "minimist"}, names(t, written(t, second, scan.FormatCycloneDX)["components"]))
}

// TestALayerIsScannedInEachOfItsForms: GoogleContainerTools/jib#3714, apple/container#988
// (zstd).
func TestALayerIsScannedInEachOfItsForms(t *testing.T) {
	s := withDatabase(t)
	for form, layer := range registrytest.Forms(t, npm("minimist", "1.2.5")) {
		t.Run(form, func(t *testing.T) {
			img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: layer})
			require.NoError(t, err)
			report, err := scan.Scan(t.Context(), s.options(s.pushImage(t, img)))
			require.NoError(t, err)
			require.Equal(t, []string{"CVE-2021-44906"}, ids(report.Findings))
		})
	}
}

func TestWhatIsKeptAboutLayersDoesNotHideAnything(t *testing.T) {
	cases := map[string]func(t *testing.T, s *site, kept string){
		"a broken file": func(t *testing.T, _ *site, kept string) {
			require.NoError(t, os.WriteFile(kept, []byte(`{"SchemaVersion": 2, "DiffID": "sha2`), 0o600))
		},
		"a file of another schema": func(t *testing.T, _ *site, kept string) {
			content, err := os.ReadFile(kept)
			require.NoError(t, err)
			var layer struct{ DiffID string }
			require.NoError(t, json.Unmarshal(content, &layer))
			require.NoError(t, os.WriteFile(kept, []byte(`{"SchemaVersion": 1, "DiffID": "`+layer.DiffID+`"}`), 0o600))
		},
		"a file of another layer": func(t *testing.T, s *site, kept string) {
			_, err := scan.Run(t.Context(), s.options(s.push(t, npm("minimist", "1.2.8"))))
			require.NoError(t, err)
			for _, other := range keptLayers(t, s) {
				if other != kept {
					require.NoError(t, os.Rename(other, kept))
				}
			}
		},
		"no file": func(t *testing.T, _ *site, kept string) { require.NoError(t, os.Remove(kept)) },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			s := withDatabase(t)
			o := s.options(s.push(t, npm("minimist", "1.2.5")))
			_, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			require.Len(t, keptLayers(t, s), 1)
			spoil(t, s, keptLayers(t, s)[0])
			r, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, []string{"CVE-2021-44906"}, ids(r.Report.Blocking))
		})
	}
}

func keptLayers(t *testing.T, s *site) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.cache, "layers", "*.json"))
	require.NoError(t, err)
	return files
}

func TestAnImageCannotSpoilWhatIsKeptAboutALayerOfAnother(t *testing.T) {
	s := withDatabase(t)
	vulnerable, harmless := image(t, npm("minimist", "1.2.5")), image(t, npm("minimist", "1.2.8"))
	// Its configuration calls a harmless layer by the name of the vulnerable one.
	real, err := vulnerable.ConfigFile()
	require.NoError(t, err)
	config, err := harmless.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.RootFS = real.RootFS
	lie, err := mutate.ConfigFile(harmless, config)
	require.NoError(t, err)
	_, err = scan.Run(t.Context(), s.options(s.pushImage(t, lie)))
	requireCode(t, "scan/image-unusable", err)
	require.Empty(t, keptLayers(t, s))

	r, err := scan.Run(t.Context(), s.options(s.pushImage(t, vulnerable)))
	require.NoError(t, err)
	require.Len(t, r.Report.Blocking, 1)
}

func TestALayerThatWasABaseIsSearchedForSecretsWhereItIsNone(t *testing.T) {
	s := withDatabase(t)
	secret := layer(t, map[string]string{"app/config.txt": "token = " + token + "\n"})
	build := func(history ...v1.History) v1.Image {
		img, err := mutate.AppendLayers(image(t, npm("minimist", "1.2.8")), secret, layer(t, npm("app", "1.0.0")))
		require.NoError(t, err)
		config, err := img.ConfigFile()
		require.NoError(t, err)
		config = config.DeepCopy()
		config.History = history
		img, err = mutate.ConfigFile(img, config)
		require.NoError(t, err)
		return img
	}
	command := v1.History{CreatedBy: `CMD ["node"]`, EmptyLayer: true}
	add := v1.History{CreatedBy: "COPY . ."}
	for _, c := range []struct {
		history []v1.History
		secrets int
	}{
		{[]v1.History{add, add, command, add}, 0},
		{[]v1.History{add, add, add}, 1},
	} {
		o := s.options(s.pushImage(t, build(c.history...)))
		o.Secrets = true
		r, err := scan.Run(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, r.Report.Blocking, c.secrets)
	}
}

func TestLayersThatNobodyAsksForAreForgotten(t *testing.T) {
	s := withDatabase(t)
	_, err := scan.Run(t.Context(), s.options(s.push(t, npm("minimist", "1.2.5"))))
	require.NoError(t, err)
	old := keptLayers(t, s)[0]
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-31*24*time.Hour)))
	_, err = scan.Run(t.Context(), s.options(s.push(t, npm("minimist", "1.2.8"))))
	require.NoError(t, err)
	require.NoFileExists(t, old)
	require.Len(t, keptLayers(t, s), 1)
}
