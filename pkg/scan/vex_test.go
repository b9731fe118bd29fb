//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

const openVEX = `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex/1", "author": "team",
"timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [{"vulnerability": {"name": "CVE-2021-23337"},
"products": [{"@id": "pkg:npm/lodash@4.17.20"}], "status": "STATUS", "justification": "vulnerable_code_not_in_execute_path"}]}`

const csaf = `{"document": {"category": "csaf_vex"}, "product_tree": {"branches": [{"category": "product_version", "name": "4.17.20",
"product": {"name": "lodash", "product_id": "LODASH", "product_identification_helper": {"purl": "pkg:npm/lodash@4.17.20"}}}]},
"vulnerabilities": [{"cve": "CVE-2021-23337", "product_status": {"known_not_affected": ["LODASH"]},
"flags": [{"label": "vulnerable_code_not_in_execute_path", "product_ids": ["LODASH"]}]}]}`

func TestVEXStatementsTakeFindingsOut(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, join(npm("lodash", "4.17.20"), npm("minimist", "1.2.5")))
	replaced := func(status string) string { return strings.ReplaceAll(openVEX, "STATUS", status) }
	cases := map[string]struct {
		documents []string
		status    string
		unmatched int
	}{
		"OpenVEX, not affected":        {documents: []string{replaced("not_affected")}, status: "not_affected"},
		"OpenVEX, fixed":               {documents: []string{replaced("fixed")}, status: "fixed"},
		"OpenVEX, affected":            {documents: []string{replaced("affected")}},
		"OpenVEX, still being studied": {documents: []string{replaced("under_investigation")}},
		"CSAF":                         {documents: []string{csaf}, status: "not_affected"},
		"the second of two":            {documents: []string{replaced("affected"), csaf}, status: "not_affected"},
		// tianon/gosu#157: the statement names the advisory, and the finding as its alias.
		"by an alias":     {documents: []string{strings.ReplaceAll(replaced("fixed"), `"name": "CVE-2021-23337"`, `"name": "GHSA-35jh-r3h4-6jhm", "aliases": ["CVE-2021-23337"]`)}, status: "fixed"},
		"another product": {documents: []string{strings.ReplaceAll(replaced("fixed"), "4.17.20", "4.17.19")}, unmatched: 1},
	}
	before := logrus.StandardLogger().Out
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := s.options(image)
			for _, document := range c.documents {
				o.VEX = append(o.VEX, file(t, "vex.json", document))
			}
			r, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			require.Same(t, before, logrus.StandardLogger().Out)
			require.Len(t, r.Report.VEXUnmatched, c.unmatched)
			if c.status == "" {
				require.Empty(t, r.Suppressed)
				require.Equal(t, []string{"CVE-2021-44906", "CVE-2021-23337"}, ids(r.Report.Blocking))
				return
			}
			require.Equal(t, []string{"CVE-2021-44906"}, ids(r.Report.Blocking))
			require.Len(t, r.Suppressed, 1)
			require.Equal(t, "CVE-2021-23337", r.Suppressed[0].Finding.ID)
			require.Equal(t, c.status, r.Suppressed[0].Status)
		})
	}
}

func TestADocumentThatIsNotVEXIsRefusedBeforeAnythingIsFetched(t *testing.T) {
	cases := map[string]struct{ content, want string }{
		"not JSON":             {"vex", "parsing VEX document"},
		"something else":       {`{"a": 1}`, "neither OpenVEX (with @context) nor CSAF"},
		"a CycloneDX document": {`{"bomFormat": "CycloneDX", "vulnerabilities": []}`, "CycloneDX documents are about an SBOM"},
		// As aquasecurity/trivy#5061 left it behind: it ended the scan when all was compared.
		"OpenVEX before 0.2":       {`{"@context": "https://openvex.dev/ns", "statements": [{"vulnerability": "CVE-2021-23337", "products": ["pkg:npm/lodash"], "status": "fixed"}]}`, "unable to decode VEX"},
		"a file that is not there": {"", "reading VEX document"},
		// Kinds of anchore/scan-action#153 and anchore/grype#3657.
		"a byte-order mark":        {"\xef\xbb\xbf" + openVEX, "save it as UTF-8 without one"},
		"a context that is a list": {strings.Replace(openVEX, `"https://openvex.dev/ns/v0.2.0"`, `["https://openvex.dev/ns/v0.2.0"]`, 1), "OpenVEX wants one"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := file(t, "vex.json", c.content)
			if c.content == "" {
				path += ".gone"
			}
			_, err := scan.Run(t.Context(), scan.Options{Image: report(nil).Image, CacheDir: t.TempDir(), VEX: []string{path}})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "[scan/bad-vex]")
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
}
