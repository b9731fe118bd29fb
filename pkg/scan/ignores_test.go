//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestIgnoreEntriesDecideUntilTheyExpire(t *testing.T) {
	const lodash, ssl = "CVE-2021-23337", "CVE-2023-5363"
	s := withDatabase(t)
	image := s.push(t, join(npm("lodash", "4.17.20"), debian("12.1", "openssl", "libssl3", "3.0.9-1")))
	cases := map[string]struct {
		entry      string
		suppressed []string
		expired    int
		unmatched  int
	}{
		"by id": {entry: "{id: CVE-2021-23337, ", suppressed: []string{lodash}},
		// aquasecurity/trivy#10374: capitals
		"by id in small letters":                {entry: "{id: cve-2021-23337, ", suppressed: []string{lodash}},
		"by the id of the advisory":             {entry: "{id: GHSA-35jh-r3h4-6jhm, ", suppressed: []string{lodash}},
		"by id and package":                     {entry: "{id: CVE-2021-23337, purls: ['pkg:npm/lodash'], ", suppressed: []string{lodash}},
		"by id and one of several packages":     {entry: "{id: CVE-2021-23337, purls: ['pkg:npm/x', 'pkg:npm/lodash@4.17.20'], ", suppressed: []string{lodash}},
		"by a package of the system":            {entry: "{id: CVE-2023-5363, purls: ['pkg:deb/debian/libssl3'], ", suppressed: []string{ssl}},
		"by id and path":                        {entry: "{id: CVE-2021-23337, paths: ['app/**/package.json'], ", suppressed: []string{lodash}},
		"another version of the package":        {entry: "{id: CVE-2021-23337, purls: ['pkg:npm/lodash@4.17.19'], ", unmatched: 1},
		"another package":                       {entry: "{id: CVE-2021-23337, purls: ['pkg:npm/lodash-es'], ", unmatched: 1},
		"another path":                          {entry: "{id: CVE-2021-23337, paths: ['opt/**'], ", unmatched: 1},
		"another id":                            {entry: "{id: CVE-2021-44906, ", unmatched: 1},
		"expired, although it would match":      {entry: "{id: CVE-2021-23337, expired_at: 2020-01-31, ", expired: 1},
		"on the day on which it expires":        {entry: "{id: CVE-2021-23337, expired_at: " + time.Now().UTC().Format(time.DateOnly) + ", ", expired: 1},
		"with a time, quoted and in the future": {entry: "{id: CVE-2021-23337, expired_at: '2100-01-01T00:00:00Z', ", suppressed: []string{lodash}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			entry := c.entry + "statement: not reachable, "
			if !bytes.Contains([]byte(entry), []byte("expired_at")) {
				entry += "expired_at: 2100-01-01"
			}
			o := s.options(image)
			o.IgnoreFile = file(t, "ignores.yaml", "vulnerabilities:\n- "+entry+"}\n")
			r, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			var suppressed []string
			for _, one := range r.Suppressed {
				require.Equal(t, "ignored", one.Status)
				require.Equal(t, "not reachable", one.Reason)
				require.Equal(t, o.IgnoreFile, one.Source)
				suppressed = append(suppressed, one.Finding.ID)
			}
			require.Equal(t, c.suppressed, suppressed)
			require.Len(t, r.Expired, c.expired)
			require.Len(t, r.Unmatched, c.unmatched)
			require.Len(t, r.Report.Blocking, 2-len(suppressed))
			require.Len(t, at(t, written(t, r, scan.FormatSARIF), "runs", 0, "results"), 3-len(suppressed))
		})
	}
}

func TestAnIgnoreFileThatIsNotHonestIsRefused(t *testing.T) {
	cases := map[string]struct{ content, want string }{
		"no reason":       {"vulnerabilities: [{id: CVE-1, expired_at: 2100-01-01}]", `vulnerability entry 1 ("CVE-1"): statement is missing`},
		"no end":          {"secrets: [{id: aws, statement: test data}]", `secret entry 1 ("aws"): expired_at is missing`},
		"no id":           {"misconfigurations: [{statement: x, expired_at: 2100-01-01}]", "id is missing"},
		"no date":         {"vulnerabilities: [{id: CVE-1, statement: x, expired_at: never}]", `expired_at "never" is no date`},
		"no package":      {"vulnerabilities: [{id: CVE-1, statement: x, expired_at: 2100-01-01, purls: [lodash]}]", `purl "lodash"`},
		"a secret's purl": {"secrets: [{id: aws, statement: x, expired_at: 2100-01-01, purls: ['pkg:npm/a']}]", "purls are for vulnerabilities only"},
		"an unknown key":  {"vulnerabilities: [{id: CVE-1, why: x, expired_at: 2100-01-01}]", `vulnerabilities entry 1: unknown field "why"; allowed are id, purls, paths, statement, expired_at`},
		"all at once":     {"vulnerabilities: [{id: CVE-1}, {statement: x}]", "expired_at is missing: give the date from which it counts again, as 2027-01-31; vulnerability entry 2"},
		"a misspelt name": {"vulnerabilitys: []\nlicences: []", `unknown field "licences"; allowed are vulnerabilities, misconfigurations, secrets, licenses; unknown field "vulnerabilitys"`},
		"no section":      {"- CVE-1\n", "it has no sections; allowed are vulnerabilities,"},
		"no entry":        {"secrets: [CVE-1]", "secrets entry 1: it is not a list of fields; allowed are id,"},
		"no pattern":      {"secrets: [{id: aws, statement: x, expired_at: 2100-01-01, paths: ['[']}]", `path "[" is no pattern`},
		// as aquasecurity/trivy-action#508 refuses several files, of which Trivy would read one
		"two documents": {"vulnerabilities: []\n---\nsecrets: []", "it has several documents, and one is read"},
		"not YAML":      {"vulnerabilities:\n\t- id: CVE-1", "parsing it"},
		"text, no date": {"# ok\nCVE-1 exp:soon", `line 2: expired_at "soon" is no date`},
		"text, a word":  {"CVE-1 until:2100-01-01", `line 1: "until:2100-01-01" is not known; allowed behind an ID are exp:2027-01-31 and a comment`},
		// aquasecurity/trivy#2018: tfsec's way to write it
		"text, glued": {"CVE-2018-14618:exp:2100-01-02\nCVE-2019-1543:exp:2100-01-02", `line 1: "CVE-2018-14618:exp:2100-01-02" is no ID; write what follows it behind a space: CVE-2018-14618 exp:2027-01-31`},
		// Trivy takes them for one ID, and says nothing.
		"text, by commas":  {"# ours\nCVE-2021-44906,CVE-2021-23337\n", `line 2: "CVE-2021-44906,CVE-2021-23337" would be the ID of one finding: write each in an entry of its own`},
		"text, and spaces": {"CVE-1\nCVE-2021-44906, CVE-2021-23337\n", `line 2: "CVE-2021-44906," would be the ID of one finding`},
		"text, by spaces":  {"CVE-2021-44906 CVE-2021-23337", `line 1: "CVE-2021-44906 CVE-2021-23337" would be the ID of one finding`},
		"text, by ;":       {"CVE-2021-44906;GHSA-xvch-5gv4-984h", `would be the ID of one finding`},
		"text, a date":     {"CVE-2021-44906:2100-01-02", `"CVE-2021-44906:2100-01-02" is no ID; write what follows it behind a space`},
		"text, a link":     {"https://avd.aquasec.com/nvd/cve-2021-44906", "is no ID"},
		"text, in marks":   {"CVE-1\n\"CVE-2021-44906\"", `line 2: "\"CVE-2021-44906\"" is no ID of a finding, such as CVE-2021-44906`},
		"by commas":        {"vulnerabilities: [{id: 'CVE-1, CVE-2', statement: x, expired_at: 2100-01-01}]", `vulnerability entry 1 ("CVE-1, CVE-2"): "CVE-1, CVE-2" would be the ID of one finding`},
		"a tag":            {"vulnerabilities:\n  - id: !include ids.txt", "line 2: key id: the tag !include is not known here"},
		// of PowerShell 5's >: browser-use/browser-use#1670, moby/moby#21940
		"another encoding": {"\xff\xfeC\x00V\x00E\x00-\x001\x00\n\x00", "it is no text in UTF-8"},
		"a file not there": {"", "reading ignore file"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := scan.Options{Image: report(nil).Image, CacheDir: t.TempDir(), IgnoreFile: file(t, "ignores.yaml", c.content)}
			if c.content == "" {
				o.IgnoreFile += ".gone"
			}
			_, err := scan.Run(t.Context(), o)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "[scan/bad-ignores]")
			require.Equal(t, record.KindInput, record.KindOf(err))
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// Each line of a file of another kind is a mistake: the first are told, and how many follow.
func TestOfAFileThatIsNoIgnoreFileTheFirstMistakesAreTold(t *testing.T) {
	_, err := scan.Run(t.Context(), scan.Options{Image: report(nil).Image, CacheDir: t.TempDir(), IgnoreFile: file(t, ".trivyignore", strings.Repeat("some other text\n", 100_000))})
	require.ErrorContains(t, err, `line 1: "other" is not known`)
	require.ErrorContains(t, err, "and 99980 more of this kind")
	require.Less(t, len(err.Error()), 4096)
}

func TestAnEntryIsForFindingsOfItsKind(t *testing.T) {
	s := withDatabase(t)
	o := s.options(s.push(t, npm("minimist", "1.2.5")))
	o.IgnoreFile = file(t, "ignores.yaml", "secrets: [{id: CVE-2021-44906, statement: x, expired_at: 2100-01-01}]")
	r, err := scan.Run(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, r.Report.Blocking, 1)
	require.Len(t, r.Unmatched, 1)
}

func TestAnEntryForOnePlatformIsNotSuperfluousForTheIndex(t *testing.T) {
	s := withDatabase(t)
	index := mutate.AppendManifests(empty.Index,
		platform(image(t, npm("minimist", "1.2.8")), "linux", "amd64"),
		platform(image(t, npm("minimist", "1.2.5")), "linux", "arm64"),
	)
	o := s.options(s.pushIndex(t, index))
	o.IgnoreFile = file(t, "ignores.yaml", `vulnerabilities:
- {id: CVE-2021-44906, statement: only on arm64, expired_at: 2100-01-01}
- {id: CVE-2020-28500, statement: nowhere, expired_at: 2100-01-01}
- {id: CVE-2020-28500, statement: past, expired_at: 2000-01-01}
`)
	r, err := scan.Run(t.Context(), o)
	require.NoError(t, err)
	require.Empty(t, r.Report.Findings)
	require.Len(t, r.Suppressed, 1)
	require.Equal(t, "linux/arm64: app/node_modules/minimist/package.json", r.Suppressed[0].Finding.Target)
	require.Len(t, r.Unmatched, 1)
	require.Equal(t, "nowhere", r.Unmatched[0].Reason)
	require.Len(t, r.Expired, 1)

	var table bytes.Buffer
	require.NoError(t, r.Write(t.Context(), &table, scan.FormatTable))
	for _, line := range []string{
		"ignored: CVE-2021-44906 in minimist 1.2.5 (CRITICAL, fixed in 1.2.6, 0.2.4) (" + o.IgnoreFile + ": only on arm64)\n",
		"expired ignore entry: CVE-2020-28500 since 2000-01-01: past\n",
		"ignore entry without a finding, remove it: CVE-2020-28500 until 2100-01-01: nowhere\n",
	} {
		require.Contains(t, table.String(), line)
	}
}

// TestTheTextFormOfAnIgnoreFileIsTaken: aquasecurity/trivy-action#284, #348; the form
// is that of aquasecurity/trivy#5070.
func TestTheTextFormOfAnIgnoreFileIsTaken(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, join(npm("lodash", "4.17.20"), npm("minimist", "1.2.5")))
	cases := map[string]struct {
		content, reason    string
		expired, unmatched int
		left               []string
		remark             string
	}{
		"a comment above":   {content: "\ufeff# not\n# reachable\nCVE-2021-44906 exp:2100-01-01\n", reason: "not reachable", left: []string{"CVE-2021-23337"}},
		"a comment behind":  {content: "CVE-2021-44906 exp:2100-01-01 # not reachable\n", reason: "not reachable", left: []string{"CVE-2021-23337"}},
		"without an end":    {content: "\nCVE-2021-44906\n", reason: "no reason given", left: []string{"CVE-2021-23337"}, remark: "1 of its entries have no end"},
		"past its end":      {content: "CVE-2021-44906 exp:2020-01-31\n", expired: 1, left: []string{"CVE-2021-44906", "CVE-2021-23337"}},
		"of nothing":        {content: "CVE-2000-0001 exp:2100-01-01\n", unmatched: 1, left: []string{"CVE-2021-44906", "CVE-2021-23337"}},
		"an ID of SUSE's":   {content: "SUSE-SU-2022:2260-1 exp:2100-01-01\nopenSUSE-SU-2024:13065-1 exp:2100-01-01\n", unmatched: 2, left: []string{"CVE-2021-44906", "CVE-2021-23337"}}, // aquasecurity/trivy#3199, #6965
		"a license":         {content: "LGPL-2.1+ exp:2100-01-01\n", unmatched: 1, left: []string{"CVE-2021-44906", "CVE-2021-23337"}},
		"comments only":     {content: "# nothing\n", left: []string{"CVE-2021-44906", "CVE-2021-23337"}},
		"licenses, in YAML": {content: "licenses: [{id: GPL-3.0}]\n", left: []string{"CVE-2021-44906", "CVE-2021-23337"}, remark: "licenses are not judged here"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o, log := s.options(image), &strings.Builder{}
			o.IgnoreFile, o.Log = file(t, ".trivyignore", c.content), slog.New(slog.NewTextHandler(log, nil))
			r, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.left, ids(r.Report.Blocking))
			require.Len(t, r.Expired, c.expired)
			require.Len(t, r.Unmatched, c.unmatched)
			if c.reason != "" {
				require.Len(t, r.Suppressed, 1)
				require.Equal(t, c.reason, r.Suppressed[0].Reason)
			}
			require.Contains(t, log.String(), c.remark)
		})
	}
}
