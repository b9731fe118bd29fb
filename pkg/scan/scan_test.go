//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	trivyos "github.com/aquasecurity/trivy/pkg/x/os"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

func TestAPlantedVulnerablePackageIsFoundWithItsRealIDAndFix(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, join(npm("minimist", "1.2.5"), npm("express", "4.21.0")))
	before := http.DefaultTransport
	report, err := scan.Scan(t.Context(), s.options(image))
	require.NoError(t, err)
	require.Equal(t, []record.Finding{{
		ID:           "CVE-2021-44906",
		Severity:     record.SeverityCritical,
		Package:      "minimist",
		PURL:         "pkg:npm/minimist@1.2.5",
		Version:      "1.2.5",
		FixedVersion: "1.2.6, 0.2.4",
		Target:       "app/node_modules/minimist/package.json",
		Title:        "minimist: prototype pollution",
	}}, report.Findings)
	require.Equal(t, report.Findings, report.Blocking)
	require.Equal(t, map[record.Severity]int{record.SeverityCritical: 1}, report.Counts)
	require.Equal(t, 2, report.Packages)
	require.Equal(t, image, report.Image)
	require.False(t, report.DatabaseUpdated.IsZero())
	require.Same(t, before, http.DefaultTransport)
}

func TestAnImageWithoutKnownVulnerabilitiesIsClean(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, join(npm("minimist", "1.2.8"), npm("lodash", "4.17.21")))
	report, err := scan.Scan(t.Context(), s.options(image))
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.Empty(t, report.Blocking)
	require.Equal(t, 2, report.Packages)
	require.NoError(t, scan.Refuse(report))
}

func TestThePolicyDecidesWhatBlocks(t *testing.T) {
	s := withDatabase(t)
	// Two findings each: lodash HIGH and MEDIUM, glibc (a newer one) LOW without a fix,
	// request MEDIUM without a fix.
	image := s.push(t, join(npm("lodash", "4.17.20"), npm("request", "2.88.2"), debian("12.11", "glibc", "libc6", "2.36-9+deb12u13")))
	cases := map[string]struct {
		threshold record.Severity
		fixedOnly bool
		blocking  []string
	}{
		"HIGH is the default":                    {blocking: []string{"CVE-2021-23337"}},
		"a threshold above all findings":         {threshold: record.SeverityCritical},
		"a threshold includes its own severity":  {threshold: record.SeverityMedium, blocking: []string{"CVE-2021-23337", "CVE-2020-28500", "CVE-2023-28155"}},
		"findings without a fix can be let pass": {threshold: record.SeverityMedium, fixedOnly: true, blocking: []string{"CVE-2021-23337", "CVE-2020-28500"}},
		"everything":                             {threshold: record.SeverityUnknown, blocking: []string{"CVE-2021-23337", "CVE-2020-28500", "CVE-2023-28155", "CVE-2010-4756"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := s.options(image)
			o.Threshold, o.FixedOnly = c.threshold, c.fixedOnly
			report, err := scan.Scan(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, []string{"CVE-2021-23337", "CVE-2020-28500", "CVE-2023-28155", "CVE-2010-4756"}, ids(report.Findings))
			require.Equal(t, c.blocking, ids(report.Blocking))
		})
	}
}

// TestFindingsThatNobodyHasRatedAreTold: artifact-keeper/artifact-keeper#3296,
// SonarSource/docker-sonarqube#926.
func TestFindingsThatNobodyHasRatedAreTold(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, join(npm("unrated", "1.0.0"), npm("left-pad", "1.3.0")))
	for threshold, blocks := range map[record.Severity]bool{record.SeverityLow: false, record.SeverityUnknown: true} {
		o, log := s.options(image), &strings.Builder{}
		o.Threshold, o.Log = threshold, slog.New(slog.NewTextHandler(log, nil))
		report, err := scan.Scan(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, []string{"CVE-2026-99999"}, ids(report.Findings))
		require.Equal(t, record.SeverityUnknown, report.Findings[0].Severity)
		require.Equal(t, blocks, len(report.Blocking) == 1)
		require.Equal(t, !blocks, strings.Contains(log.String(), "findings=1 first=\"CVE-2026-99999 in unrated\""))
	}
}

func ids(findings []record.Finding) (all []string) {
	for _, f := range findings {
		all = append(all, f.ID)
	}
	return all
}

func TestPackagesOfTheOperatingSystemAreCompared(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, debian("12.1", "glibc", "libc6", "2.36-9+deb12u1"))
	report, err := scan.Scan(t.Context(), s.options(image))
	require.NoError(t, err)
	require.Equal(t, []string{"CVE-2023-4911"}, ids(report.Blocking))
	require.Equal(t, record.Finding{
		ID:           "CVE-2023-4911",
		Severity:     record.SeverityHigh,
		Package:      "libc6",
		PURL:         "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12.1",
		Version:      "2.36-9+deb12u1",
		FixedVersion: "2.36-9+deb12u3",
		Target:       "debian 12.1",
		Title:        "glibc: buffer overflow in ld.so leading to privilege escalation",
	}, report.Blocking[0])
}

// A scan without findings may be one that compared nothing: systems that are out of support
// (aquasecurity/trivy#897), that have no advisories (trivy#577), or whose list of packages
// was removed.
func TestASystemThatIsNotComparedIsTold(t *testing.T) {
	s := withDatabase(t)
	kali := map[string]string{"etc/os-release": "ID=kali\nVERSION_ID=2026.1\n", "var/lib/dpkg/status": "Package: openssl\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: x\n\n"}
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"known":                   {debian("12.1", "zlib", "zlib1g", "1"), nil},
		"no system at all":        {nil, nil},
		"newer than the database": {debian("13.1", "glibc", "libc6", "2.41-12"), []string{"debian 13: the vulnerability database knows nothing"}},
		"out of support":          {debian("9.13", "glibc", "libc6", "2.24-11"), []string{"debian 9: the image's operating system gets no security updates", "debian 9: the vulnerability database knows nothing"}},
		"without its list":        {map[string]string{"etc/debian_version": "12.1\n"}, []string{"debian 12: the image has no list of the packages"}},
		"of another kind":         {kali, []string{"the scanner has no advisories"}},
		// aquasecurity/trivy#1975, #8936.
		"a list without a system":           {map[string]string{"var/lib/dpkg/status": kali["var/lib/dpkg/status"]}, []string{"the scanner has no advisories"}},
		"a snapshot of Alpine":              {map[string]string{"etc/os-release": "ID=alpine\nVERSION_ID=3.24.0_alpha20260101\n", "etc/alpine-release": "3.24.0_alpha20260101\n", "lib/apk/db/installed": "P:musl\nV:1.2.5-r10\nA:x86_64\no:musl\n\n"}, nil},
		"an Alpine that has moved its list": {map[string]string{"etc/os-release": "ID=alpine\nVERSION_ID=3.22.0\n", "etc/alpine-release": "3.22.0\n", "usr/lib/apk/db/installed": "P:musl\nV:1.2.5-r10\nA:x86_64\no:musl\n\n"}, []string{"alpine 3.22: the vulnerability database knows nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			o, log := s.options(s.push(t, join(c.files, npm("minimist", "1.2.5")))), &strings.Builder{}
			o.Log = slog.New(slog.NewTextHandler(log, nil))
			report, err := scan.Scan(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, []string{"CVE-2021-44906"}, ids(report.Findings))
			require.Len(t, report.NotCompared, len(c.want))
			for i, want := range c.want {
				require.Contains(t, report.NotCompared[i], want)
				require.Contains(t, log.String(), "system=")
			}
			o.RequireAll = true
			_, err = scan.Scan(t.Context(), o)
			if len(c.want) == 0 {
				require.NoError(t, err)
				return
			}
			requireCode(t, "scan/not-compared", err)
			require.ErrorContains(t, err, c.want[0])
		})
	}
}

func TestAllPlatformsOfAnIndexAreScanned(t *testing.T) {
	s := withDatabase(t)
	index := mutate.AppendManifests(empty.Index,
		platform(image(t, npm("minimist", "1.2.8")), "linux", "amd64"),
		platform(image(t, npm("minimist", "1.2.5")), "linux", "arm64"),
		platform(image(t, map[string]string{"attestation": "{}"}), "unknown", "unknown"),
	)
	report, err := scan.Scan(t.Context(), s.options(s.pushIndex(t, index)))
	require.NoError(t, err)
	require.Equal(t, 2, report.Packages)
	require.Equal(t, []string{"CVE-2021-44906"}, ids(report.Blocking))
	require.Equal(t, "linux/arm64: app/node_modules/minimist/package.json", report.Blocking[0].Target)
}

func platform(img v1.Image, system, architecture string) mutate.IndexAddendum {
	return mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: system, Architecture: architecture}}}
}

func TestScansInOneProcessDoNotDisturbEachOther(t *testing.T) {
	vulnerable, clean := withDatabase(t), withDatabase(t)
	bad := vulnerable.push(t, npm("minimist", "1.2.5"))
	good := clean.push(t, npm("minimist", "1.2.8"))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			report, err := scan.Scan(context.Background(), vulnerable.options(bad))
			if err != nil || len(report.Blocking) != 1 {
				t.Errorf("want one finding, got %v, %v", report.Blocking, err)
			}
		})
		all.Go(func() {
			report, err := scan.Scan(context.Background(), clean.options(good))
			if err != nil || len(report.Findings) != 0 {
				t.Errorf("want no finding, got %v, %v", report.Findings, err)
			}
		})
	}
	all.Wait()
}

func TestAScanLeavesTheProcessAsItWas(t *testing.T) {
	var standard bytes.Buffer
	before := log.Writer()
	log.SetOutput(&standard)
	t.Cleanup(func() { log.SetOutput(before) })
	transport, logger, out := http.DefaultTransport, slog.Default(), log.Writer()
	s := withDatabase(t)
	_, err := scan.Scan(t.Context(), s.options(s.push(t, npm("minimist", "1.2.5"))))
	require.NoError(t, err)
	require.Same(t, transport, http.DefaultTransport)
	require.Same(t, logger, slog.Default())
	require.Same(t, out, log.Writer())
	require.Empty(t, standard.String())
	require.NoDirExists(t, trivyos.TempDir())
}

// stderr is the process's own: `go test -json` puts another into its place later.
var stderr = os.Stderr

func TestTheImportLeavesTheDefaultLoggersWorking(t *testing.T) {
	require.IsType(t, &slog.TextHandler{}, slog.Default().Handler(), "Trivy's own default keeps all records in memory")
	require.Same(t, stderr, log.Writer())
}

func TestACancelledScanSaysSo(t *testing.T) {
	s := withDatabase(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/team/app/blobs/") {
			cancel()
		}
		return false
	}
	_, err := scan.Scan(ctx, s.options(s.push(t, npm("minimist", "1.2.5"))))
	require.ErrorIs(t, err, context.Canceled)
}
