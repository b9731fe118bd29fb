package scan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

var minimist = record.Finding{
	ID: "CVE-2021-44906", Severity: record.SeverityCritical, Package: "minimist", Version: "1.2.5",
	FixedVersion: "1.2.6, 0.2.4", Target: "app/node_modules/minimist/package.json", Title: "minimist: prototype pollution",
}

var request = record.Finding{
	ID: "CVE-2023-28155", Severity: record.SeverityMedium, Package: "request", Version: "2.88.2",
	Target: "app/node_modules/request/package.json", Title: "Server-Side Request Forgery in Request",
}

func report(blocking []record.Finding, findings ...record.Finding) record.ScanReport {
	r := record.ScanReport{
		Image:           record.Image{Repository: "registry.example.com/team/app", Digest: "sha256:" + strings.Repeat("a", 64)},
		Findings:        findings,
		Blocking:        blocking,
		Counts:          map[record.Severity]int{},
		Packages:        312,
		DatabaseUpdated: time.Date(2026, 11, 22, 6, 30, 0, 0, time.UTC),
	}
	for _, f := range findings {
		r.Counts[f.Severity]++
	}
	return r
}

func TestARefusalNamesTheWorstFindingsAndTheirFixes(t *testing.T) {
	require.NoError(t, scan.Refuse(report(nil, request)))

	err := scan.Refuse(report([]record.Finding{minimist, request}, minimist, request))
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.EqualError(t, err, `image "registry.example.com/team/app@sha256:`+strings.Repeat("a", 64)+`" has 2 findings that the policy does not accept: `+
		`CVE-2021-44906 in minimist 1.2.5 (CRITICAL, fixed in 1.2.6, 0.2.4); CVE-2023-28155 in request 2.88.2 (MEDIUM, no fix yet); `+
		`update the packages, or change --scan-threshold or --scan-fixed-only [scan/vulnerable]`)

	many := make([]record.Finding, 12)
	require.ErrorContains(t, scan.Refuse(report(many, many...)), "; and 7 more; ")
}

func TestTheTableShowsEachFindingOnALine(t *testing.T) {
	var text strings.Builder
	require.NoError(t, scan.Table(&text, report([]record.Finding{minimist}, minimist, request)))
	require.Equal(t, "Scanned registry.example.com/team/app@sha256:"+strings.Repeat("a", 64)+
		": 312 packages, 2 findings (1 CRITICAL, 1 MEDIUM), 1 blocking; database of 2026-11-22 06:30 UTC\n"+
		"SEVERITY  ID              PACKAGE   VERSION  FIXED IN      BLOCKS  WHERE\n"+
		"CRITICAL  CVE-2021-44906  minimist  1.2.5    1.2.6, 0.2.4  yes     app/node_modules/minimist/package.json\n"+
		"MEDIUM    CVE-2023-28155  request   2.88.2                         app/node_modules/request/package.json\n", text.String())
}

func TestTheTableOfACleanImageIsOneLine(t *testing.T) {
	var text strings.Builder
	require.NoError(t, scan.Table(&text, report(nil)))
	require.Equal(t, 1, strings.Count(text.String(), "\n"))
	require.Contains(t, text.String(), "312 packages, 0 findings; database of")
}

func TestALongTableIsCutAndSaysSo(t *testing.T) {
	var text strings.Builder
	require.NoError(t, scan.Table(&text, report(nil, make([]record.Finding, 130)...)))
	require.Contains(t, text.String(), "\nand 30 more\n")
}

func TestOptionsReportAllTheirProblemsAtOnce(t *testing.T) {
	_, err := scan.Run(t.Context(), scan.Options{
		Image:          record.Image{Repository: "registry.example.com/team/app"},
		Database:       "not a reference",
		Threshold:      "SEVERE",
		MaxDatabaseAge: -time.Hour,
	})
	require.Equal(t, record.KindInput, record.KindOf(err))
	for _, part := range []string{"not a reference", "no cache directory", `"SEVERE" is none of`, "-1h0m0s is negative", "sha256", "[scan/bad-options]"} {
		require.ErrorContains(t, err, part)
	}
}

func TestOptions_ValidateWantsACacheAndNoImageYet(t *testing.T) {
	require.NoError(t, scan.Options{CacheDir: "cache"}.Validate())
}
