//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	trivytypes "github.com/aquasecurity/trivy/pkg/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/hostile"
)

// said is the report of an image in which all that an image can say is words.
func said(t *testing.T, words string) (texts, markdown []string) {
	t.Helper()
	vulnerability := trivytypes.DetectedVulnerability{
		VulnerabilityID: "CVE-1", PkgName: words, InstalledVersion: words, FixedVersion: "2.0.0", PkgPath: words,
		Vulnerability: types.Vulnerability{Severity: "HIGH", Title: "a title", Description: "a description"}, //nolint:staticcheck // Trivy's own choice among the vendors
	}
	r := Result{inventory: inventory{at: time.Unix(1, 0), report: trivytypes.Report{ArtifactName: "r.test/a", Results: trivytypes.Results{
		{Target: words, Class: trivytypes.ClassLangPkg, Vulnerabilities: []trivytypes.DetectedVulnerability{vulnerability}},
		{Target: "r.test/a (debian " + words + ")", Class: trivytypes.ClassOSPkg, Vulnerabilities: []trivytypes.DetectedVulnerability{vulnerability}},
		{Target: words, Class: trivytypes.ClassSecret, Secrets: []trivytypes.DetectedSecret{{RuleID: "key", Severity: "HIGH", Title: "A key", Match: words}}},
		{Target: words, Class: trivytypes.ClassConfig, Misconfigurations: []trivytypes.DetectedMisconfiguration{{ID: "AVD-1", Severity: "HIGH", Title: "a title", Message: words, CauseMetadata: ftypes.CauseMetadata{}}}},
	}}}}
	var content bytes.Buffer
	require.NoError(t, r.Write(t.Context(), &content, FormatSARIF), "%q", words)
	var report struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Rules []struct {
						Help struct{ Text, Markdown string }
					}
				}
			}
			Results []struct{ Message struct{ Text string } }
		}
	}
	require.NoError(t, json.Unmarshal(content.Bytes(), &report), "%q", words)
	require.Len(t, report.Runs, 1)
	for _, one := range report.Runs[0].Results {
		texts = append(texts, one.Message.Text)
	}
	for _, rule := range report.Runs[0].Tool.Driver.Rules {
		texts, markdown = append(texts, rule.Help.Text), append(markdown, rule.Help.Markdown)
	}
	return texts, markdown
}

// Whoever makes a package gives it its name, and GitHub shows what Trivy makes of it.
func TestWhatAnImageSaysIsNoMoreThanTextInItsSARIF(t *testing.T) {
	plainTexts, plainMarkdown := said(t, "plain")
	require.NotEmpty(t, plainMarkdown)
	for _, words := range append(hostile.Texts(), strings.Repeat("[x](https://evil.example)\n", 40_000)) {
		texts, markdown := said(t, words)
		require.Len(t, texts, len(plainTexts))
		for i, text := range texts {
			// A name cannot add a line that looks like one of the report's.
			if !strings.Contains(text, "Artifact: ") { // a path, which is escaped as an address
				require.Equal(t, strings.Count(plainTexts[i], "\n"), strings.Count(text, "\n"), "%q", words)
				require.Less(t, len(text), 5000, "%.40q", words)
			}
			require.Equal(t, strings.Count(plainTexts[i], "]("), strings.Count(text, "]("), "%q", words)
			require.Zero(t, hostile.Steers(text), "%q", words)
			require.Empty(t, hostile.Command(text), "%q", words)
		}
		for i, text := range markdown {
			seen, want := hostile.Markdown(text).Elements, hostile.Markdown(plainMarkdown[i]).Elements
			for _, links := range []string{"a", "@href"} { // an address leads where it says
				delete(seen, links)
				delete(want, links)
			}
			require.Equal(t, want, seen, "%q: %s", words, text)
			require.Equal(t, strings.Count(plainMarkdown[i], "]("), strings.Count(text, "]("), "%q", words)
		}
	}
}

// An alert is known again by the names, which so must stay as they are.
func TestNamesOfPackagesStayAsTheyAre(t *testing.T) {
	for _, name := range []string{"@backstage/plugin-catalog-backend", "lodash.merge", "libstdc++6", "python3.11-minimal", "github.com/a/b_c", "1:2.3~rc1+dfsg-1", "org.apache:commons_io"} {
		require.Equal(t, name, plain(name))
	}
	require.Equal(t, "%5Bx%5D(y)", plain("[x](y)"))
	require.Equal(t, `a\nb`, plain("a\nb"))
}
