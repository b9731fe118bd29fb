//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// written gives a report in a format, decoded.
func written(t *testing.T, r scan.Result, format scan.Format) map[string]any {
	t.Helper()
	var content bytes.Buffer
	require.NoError(t, r.Write(t.Context(), &content, format))
	var decoded map[string]any
	require.NoError(t, json.Unmarshal(content.Bytes(), &decoded), content.String())
	return decoded
}

// at follows keys and indexes into decoded JSON.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, ok := value.(map[string]any)
			require.True(t, ok, "%v is no object", value)
			value = object[step]
		case int:
			list, ok := value.([]any)
			require.True(t, ok, "%v is no list", value)
			require.Greater(t, len(list), step)
			value = list[step]
		}
	}
	return value
}

func each(t *testing.T, list any, key string) (all []any) {
	t.Helper()
	for _, entry := range list.([]any) {
		all = append(all, at(t, entry, key))
	}
	return all
}

func TestOneScanGivesEveryReport(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, join(npm("minimist", "1.2.5"), npm("express", "4.21.0"), debian("12.1", "openssl", "libssl3", "3.0.9-1")))
	r, err := scan.Run(t.Context(), s.options(image))
	require.NoError(t, err)
	s.close() // what follows comes from the one run

	t.Run("a table", func(t *testing.T) {
		var text bytes.Buffer
		require.NoError(t, r.Write(t.Context(), &text, scan.FormatTable))
		require.Contains(t, text.String(), "CVE-2021-44906")
	})
	t.Run("Trivy's JSON", func(t *testing.T) {
		report := written(t, r, scan.FormatJSON)
		require.Equal(t, float64(2), report["SchemaVersion"])
		require.Equal(t, image.String(), report["ArtifactName"])
		require.Equal(t, "CVE-2023-5363", at(t, report, "Results", 0, "Vulnerabilities", 0, "VulnerabilityID"))
		require.Nil(t, at(t, report, "Results", 0, "Packages"))
	})
	t.Run("SARIF", func(t *testing.T) {
		report := written(t, r, scan.FormatSARIF)
		require.Equal(t, "2.1.0", report["version"])
		results := at(t, report, "runs", 0, "results")
		require.Equal(t, []any{"CVE-2023-5363", "CVE-2021-44906"}, each(t, results, "ruleId"))
		require.Equal(t, "app/node_modules/minimist/package.json", at(t, results, 1, "locations", 0, "physicalLocation", "artifactLocation", "uri"))
		require.Equal(t, []any{"CVE-2023-5363", "CVE-2021-44906"}, each(t, at(t, report, "runs", 0, "tool", "driver", "rules"), "id"))
	})
	t.Run("a CycloneDX SBOM without findings", func(t *testing.T) {
		bom := written(t, r, scan.FormatCycloneDX)
		require.Equal(t, "CycloneDX", bom["bomFormat"])
		require.ElementsMatch(t, []any{"debian", "libssl3", "express", "minimist"}, each(t, bom["components"], "name"))
		require.Empty(t, bom["vulnerabilities"])
		require.Equal(t, image.String(), at(t, bom, "metadata", "component", "name"))
	})
	t.Run("an SPDX SBOM", func(t *testing.T) {
		bom := written(t, r, scan.FormatSPDX)
		require.Equal(t, "SPDX-2.3", bom["spdxVersion"])
		require.ElementsMatch(t, []any{image.String(), "debian", "libssl3", "express", "minimist"}, each(t, bom["packages"], "name"))
	})
	t.Run("a predicate for an attestation", func(t *testing.T) {
		predicate := written(t, r, scan.FormatCosignVuln)
		require.Equal(t, "CVE-2023-5363", at(t, predicate, "scanner", "result", "Results", 0, "Vulnerabilities", 0, "VulnerabilityID"))
		require.Equal(t, at(t, predicate, "scanner", "result", "CreatedAt"), at(t, predicate, "metadata", "scanFinishedOn"))
	})
	t.Run("in any order, again and again", func(t *testing.T) {
		require.ElementsMatch(t, []any{"debian", "libssl3", "express", "minimist"}, each(t, written(t, r, scan.FormatCycloneDX)["components"], "name"))
		require.Len(t, at(t, written(t, r, scan.FormatSARIF), "runs", 0, "results"), 2)
	})
	t.Run("but no other format", func(t *testing.T) {
		err := r.Write(t.Context(), io.Discard, "html")
		require.ErrorContains(t, err, `report format "html" is none of`)
		require.Equal(t, record.KindInput, record.KindOf(err))
	})
	t.Run("and none without a scan", func(t *testing.T) {
		require.ErrorContains(t, scan.Result{}.Write(t.Context(), io.Discard, scan.FormatSARIF), "nothing was scanned")
	})
}

func TestReportsOfAnIndexHaveAllPlatforms(t *testing.T) {
	s := withDatabase(t)
	index := mutate.AppendManifests(empty.Index,
		platform(image(t, join(npm("minimist", "1.2.5"), debian("12.1", "openssl", "libssl3", "3.0.9-1"))), "linux", "amd64"),
		platform(image(t, npm("minimist", "1.2.5")), "linux", "arm64"),
	)
	r, err := scan.Run(t.Context(), s.options(s.pushIndex(t, index)))
	require.NoError(t, err)
	require.Equal(t, []string{"CVE-2021-44906", "CVE-2021-44906", "CVE-2023-5363"}, ids(r.Report.Blocking))
	require.Len(t, at(t, written(t, r, scan.FormatSARIF), "runs", 0, "results"), 3)
	require.Equal(t, []any{"debian", "libssl3", "minimist", "minimist"}, names(t, written(t, r, scan.FormatCycloneDX)["components"]))
	require.Equal(t, r.Report.Image.String(), at(t, written(t, r, scan.FormatCycloneDX), "metadata", "component", "name"))

	require.Len(t, r.Platforms, 2)
	arm := r.Platforms[1]
	require.Equal(t, "linux/arm64", arm.Platform)
	require.Equal(t, []any{"minimist"}, names(t, written(t, arm, scan.FormatCycloneDX)["components"]))
	require.True(t, strings.HasSuffix(arm.Report.Image.Digest, digestOf(t, index, 1).Hex))
	require.Equal(t, "app/node_modules/minimist/package.json", arm.Report.Findings[0].Target)
}

func names(t *testing.T, list any) []any {
	t.Helper()
	all := each(t, list, "name")
	slices.SortFunc(all, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return all
}

func digestOf(t *testing.T, index v1.ImageIndex, n int) v1.Hash {
	t.Helper()
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	return manifest.Manifests[n].Digest
}

func TestFilesWithStrangeNamesAreReported(t *testing.T) {
	s := withDatabase(t)
	for name, path := range map[string]string{
		"a percent sign": "app/100%zz/package.json",
		"a colon":        "a:b/node_modules/package.json",
		"a blank":        "app/a b/package.json",
		"a new line":     "app/a\nb/package.json",
	} {
		t.Run(name, func(t *testing.T) {
			r, err := scan.Run(t.Context(), s.options(s.push(t, map[string]string{path: `{"name":"minimist","version":"1.2.5"}`})))
			require.NoError(t, err)
			uri, ok := at(t, written(t, r, scan.FormatSARIF), "runs", 0, "results", 0, "locations", 0, "physicalLocation", "artifactLocation", "uri").(string)
			require.True(t, ok)
			parsed, err := url.Parse(uri)
			require.NoError(t, err)
			require.Equal(t, path, strings.TrimPrefix(parsed.Path, "./"))
			require.NotContains(t, r.Report.Findings[0].Target, "\n")
		})
	}
}
