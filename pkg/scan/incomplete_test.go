//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"testing"
	"unicode/utf16"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

const minimistFile = "app/node_modules/minimist/package.json"

// TestAPackageIsComparedThoughItsFileIsOdd: aquasecurity/trivy#4054,
// anchore/scan-action#153. Node and npm read all of these but the UTF-16.
func TestAPackageIsComparedThoughItsFileIsOdd(t *testing.T) {
	wide := "\xff\xfe"
	for _, unit := range utf16.Encode([]rune(`{"name":"minimist","version":"1.2.5"}`)) {
		wide += string([]byte{byte(unit), byte(unit >> 8)})
	}
	for name, content := range map[string]string{
		"a byte-order mark":                "\xef\xbb\xbf" + `{"name":"minimist","version":"1.2.5"}`,
		"UTF-16":                           wide,
		"dependencies that are no object":  `{"name":"minimist","version":"1.2.5","dependencies":[],"optionalDependencies":[]}`,
		"workspaces that are no list":      `{"name":"minimist","version":"1.2.5","workspaces":{"packages":"x"},"author":["a"]}`,
		"licenses of old":                  `{"name":"minimist","version":"1.2.5","licenses":[{"type":"MIT"}],"license":{"type":"MIT"}}`,
		"a version with a v, as npm takes": `{"name":"minimist","version":" v1.2.5"}`,
		"no name: npm takes the folder's":  `{"version":"1.2.5"}`,
		"a name that is none":              `{"name":["minimist"],"version":"1.2.5"}`,
		"something behind the object":      `{"name":"minimist","version":"1.2.5"} x`,
	} {
		t.Run(name, func(t *testing.T) {
			s := withDatabase(t)
			report, err := scan.Scan(t.Context(), s.options(s.push(t, join(npm("express", "4.21.0"), map[string]string{minimistFile: content}))))
			require.NoError(t, err)
			require.Equal(t, []string{"CVE-2021-44906"}, ids(report.Blocking))
			require.Equal(t, "pkg:npm/minimist@1.2.5", report.Blocking[0].PURL)
			require.Equal(t, 2, report.Packages)
			require.Empty(t, report.NotRead)
		})
	}
}

// TestWhatCannotBeReadIsNeverClean, unless somebody allows it: aquasecurity/trivy#4054,
// artifact-keeper/artifact-keeper#1153.
func TestWhatCannotBeReadIsNeverClean(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, join(npm("express", "4.21.0"), map[string]string{
		minimistFile: "{\n", "app/node_modules/@s/x/package.json": `{"name":"x","version":1}`,
	}))
	o := s.options(image)
	for range 2 { // the second time from what is kept about the layer
		_, err := scan.Scan(t.Context(), o)
		requireCode(t, "scan/incomplete", err)
		require.ErrorContains(t, err, "2 files could not be read: app/node_modules/@s/x/package.json, "+minimistFile+"; ")
	}
	o.AllowIncomplete = []string{minimistFile}
	_, err := scan.Scan(t.Context(), o)
	require.ErrorContains(t, err, "1 file could not be read: app/node_modules/@s/x/package.json; ")
	o.AllowIncomplete = []string{"app/node_modules/**"}
	report, err := scan.Scan(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, []string{"app/node_modules/@s/x/package.json", minimistFile}, report.NotRead)
	require.Equal(t, 1, report.Packages)
}

// TestATestFileThatCannotBeReadIsNoPackage: browserify/resolve#271.
func TestATestFileThatCannotBeReadIsNoPackage(t *testing.T) {
	s := withDatabase(t)
	report, err := scan.Scan(t.Context(), s.options(s.push(t, join(npm("minimist", "1.2.8"), npm("resolve", "1.22.8"), map[string]string{
		"app/node_modules/resolve/test/resolver/malformed_package_json/package.json": "{\n",
		"app/node_modules/.cache/package.json":                                       "{\n",
		"app/examples/template/content/package.json":                                 `{"name": ${{ values.name | dump }}}`,
	}))))
	require.NoError(t, err)
	require.Empty(t, report.NotRead)
	require.Equal(t, 2, report.Packages)
}

func TestTheLastLayerSaysWhatIsThere(t *testing.T) {
	s := withDatabase(t)
	build := func(above map[string]string, below ...map[string]string) record.Image {
		img := image(t, npm("express", "4.21.0"))
		for _, files := range append(below, above) {
			var err error
			img, err = mutate.AppendLayers(img, layer(t, files))
			require.NoError(t, err)
		}
		return s.pushImage(t, img)
	}
	broken := map[string]string{minimistFile: "{\n"}
	_, err := scan.Scan(t.Context(), s.options(build(broken, npm("minimist", "1.2.8"))))
	requireCode(t, "scan/incomplete", err)
	report, err := scan.Scan(t.Context(), s.options(build(npm("minimist", "1.2.5"), broken)))
	require.NoError(t, err)
	require.Equal(t, []string{"CVE-2021-44906"}, ids(report.Blocking))
	report, err = scan.Scan(t.Context(), s.options(build(map[string]string{"app/node_modules/.wh.minimist": ""}, broken)))
	require.NoError(t, err)
	require.Empty(t, report.NotRead)
}

// TestAVersionThatCannotBeComparedIsNamedWithItsPackage: the scanner passes it over
// with a warning (aquasecurity/trivy#6542).
func TestAVersionThatCannotBeComparedIsNamedWithItsPackage(t *testing.T) {
	s := withDatabase(t)
	o := s.options(s.push(t, join(npm("minimist", "1.2.5 beta"), npm("express", "4.21.0"))))
	_, err := scan.Scan(t.Context(), o)
	requireCode(t, "scan/incomplete", err)
	require.ErrorContains(t, err, "1 package with a version that cannot be compared: "+minimistFile)
	o.AllowIncomplete = []string{minimistFile}
	report, err := scan.Scan(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, report.NotCompared, 1)
	require.Contains(t, report.NotCompared[0], "package minimist in "+minimistFile)
	require.Contains(t, report.NotCompared[0], "1.2.5 beta")
	o.RequireAll = true
	_, err = scan.Scan(t.Context(), o)
	requireCode(t, "scan/not-compared", err)
	report, err = scan.Scan(t.Context(), s.options(s.push(t, npm("express", "4.21.0"))))
	require.NoError(t, err)
	require.Empty(t, report.NotCompared, "of another image")
}

// TestTokensOfNPMAreFoundWithoutQuotes: in the environment, the history, an .npmrc, and
// below a layer that removes the file (gittensor-ui#1362, ever-co/ever-gauzy#9995,
// product-os/jellyfish#6111).
func TestTokensOfNPMAreFoundWithoutQuotes(t *testing.T) {
	const npmToken = "npm_" + "0123456789abcdefghijklmnopqrstuvwxyz"
	rc := map[string]string{"app/.npmrc": "//registry.npmjs.org/:_authToken=" + npmToken + "\n"}
	cases := map[string]func(t *testing.T) v1.Image{
		"environment": func(t *testing.T) v1.Image {
			return configured(t, npm("express", "4.21.0"), v1.Config{Env: []string{"NPM_TOKEN=" + npmToken}})
		},
		"history": func(t *testing.T) v1.Image {
			return configured(t, npm("express", "4.21.0"), v1.Config{}, "RUN |1 NPM_TOKEN="+npmToken+" npm ci")
		},
		"a file": func(t *testing.T) v1.Image { return image(t, join(npm("express", "4.21.0"), rc)) },
		"a file that is removed above": func(t *testing.T) v1.Image {
			img, err := mutate.AppendLayers(image(t, npm("express", "4.21.0")), layer(t, rc), layer(t, map[string]string{"app/.wh..npmrc": ""}))
			require.NoError(t, err)
			return img
		},
		"quotes": func(t *testing.T) v1.Image {
			return image(t, join(npm("express", "4.21.0"), map[string]string{"app/config.json": `{"token": "` + npmToken + `"}`}))
		},
	}
	for name, build := range cases {
		t.Run(name, func(t *testing.T) {
			s := withDatabase(t)
			o := s.options(s.pushImage(t, build(t)))
			o.Secrets = true
			report, err := scan.Scan(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, []string{"npm-access-token"}, ids(report.Blocking))
		})
	}
}

// TestWhatTheUserHasToMendIsInput: an image that is not there, credentials that cannot
// be looked up (docker/for-mac#7445, okteto/okteto#3353).
func TestWhatTheUserHasToMendIsInput(t *testing.T) {
	s := withDatabase(t)
	there := s.push(t, npm("express", "4.21.0"))
	input := func(code string, o scan.Options) {
		t.Helper()
		_, err := scan.Scan(t.Context(), o)
		require.ErrorContains(t, err, "["+code+"]")
		require.Equal(t, record.KindInput, record.KindOf(err), "%v", err)
	}
	gone := there
	gone.Digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	input("scan/image-not-found", s.options(gone))

	o := s.options(there)
	for _, config := range []string{`{"credsStore": "stagecrew-none"}`, `{"auths": [`} {
		o.Images.Getenv = func(name string) string { return map[string]string{"DOCKER_AUTH_CONFIG": config}[name] }
		input("registry/bad-credentials", o)
	}
}
