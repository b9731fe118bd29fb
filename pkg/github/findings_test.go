package github

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/hostile"
	"github.com/stagecrew/stagecrew/test/race"
)

func findings(sarif string) Findings {
	return Findings{Commit: firstCommit, Ref: "refs/heads/main", Category: "stagecrew/ghcr.io/org/web", SARIF: []byte(sarif)}
}

const sarif = `{"version":"2.1.0","runs":[{"results":[]}]}`

// Without a category of its own, the report of each image takes the place of another
// image's, whose alerts count as fixed and come back (shopware/docker#223). One with the
// digest in it would leave the alerts of older digests open for ever
// (OpenHands/OpenHands-Cloud#517).
func TestFindingsAreUploadedInACategoryOfTheirImage(t *testing.T) {
	for name, c := range map[string]struct{ sent, want string }{
		"a report without one":   {sarif, `{"version":"2.1.0","runs":[{"results":[],"automationDetails":{"id":"stagecrew/ghcr.io/org/web/"}}]}`},
		"one that has a name":    {`{"version":"2.1.0","runs":[{"automationDetails":{"id":"own/"}}]}`, `{"version":"2.1.0","runs":[{"automationDetails":{"id":"own/"}}]}`},
		"numbers as they stand":  {`{"version":"2.1.0","big":12345678901234567890.10,"runs":[{"automationDetails":{"id":"own/"}}]}`, `{"version":"2.1.0","big":12345678901234567890.10,"runs":[{"automationDetails":{"id":"own/"}}]}`},
		"marks that HTML has":    {`{"version":"2.1.0","text":"a<b&c","runs":[{"automationDetails":{"id":"own/"}}]}`, `{"version":"2.1.0","text":"a<b&c","runs":[{"automationDetails":{"id":"own/"}}]}`},
		"a report with no match": {`{"version":"2.1.0","runs":[{"results":null}]}`, `{"version":"2.1.0","runs":[{"results":null,"automationDetails":{"id":"stagecrew/ghcr.io/org/web/"}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t, "security-events: write")
			require.NoError(t, clientOf(t, s).Upload(t.Context(), findings(c.sent)))
			all := s.Analyses()
			require.Len(t, all, 1)
			require.JSONEq(t, c.want, string(all[0].SARIF))
			require.Equal(t, []string{firstCommit, "refs/heads/main"}, []string{all[0].Commit, all[0].Ref})
		})
	}
}

const vulnerable = `{"version":"2.1.0","runs":[{"results":[
	{"ruleId":"CVE-1","level":"note","message":{"text":"Package: a\nInstalled Version: 1.0.0"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"app/package.json"}}}]},
	{"ruleId":"CVE-1","level":"error","message":{"text":"Package: b\nInstalled Version: 1.0.0"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"app/package.json"}}}]},
	{"ruleId":"CVE-1","level":"error","message":{"text":"Package: b\nInstalled Version: 1.0.1"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"app/package.json"}}}]},
	{"ruleId":"CVE-2"},
	{"ruleId":"CVE-3","partialFingerprints":{"primaryLocationLineHash":"own"}}]}]}`

// uploaded are the results of a report as GitHub got them.
func uploaded(t *testing.T, report string) []map[string]any {
	t.Helper()
	s := serving(t, "security-events: write")
	require.NoError(t, clientOf(t, s).Upload(t.Context(), findings(report)))
	var got struct {
		Runs []struct{ Results []map[string]any }
	}
	require.NoError(t, json.Unmarshal(s.Analyses()[0].SARIF, &got))
	return got.Runs[0].Results
}

// Alerts come back without it (aquasecurity/trivy#1840, google/osv-scanner#2331).
func TestAFindingIsKnownAgainInTheNextImage(t *testing.T) {
	prints := func(report string) (all []any) {
		for _, one := range uploaded(t, report) {
			all = append(all, one["partialFingerprints"].(map[string]any)["primaryLocationLineHash"])
		}
		return all
	}
	first := prints(vulnerable)
	require.Equal(t, first, prints(strings.ReplaceAll(vulnerable, "1.0.0", "2.0.0")), "of another version")
	require.Equal(t, "own", first[4])
	require.Equal(t, strings.TrimSuffix(first[1].(string), ":1"), strings.TrimSuffix(first[2].(string), ":2"), "the second of its kind")
	require.Len(t, slices.Compact(slices.SortedFunc(slices.Values(first), func(a, b any) int { return strings.Compare(a.(string), b.(string)) })), 5)
	require.NotEqual(t, first, prints(strings.ReplaceAll(vulnerable, "app/", "lib/")))
}

// GitHub refuses a report with more than 25,000 results in a run (aquasecurity/tfsec-sarif-action#43).
func TestOfTooManyFindingsTheWorstAreSent(t *testing.T) {
	many := strings.Repeat(`{"ruleId":"CVE-1","level":"note"},`, maxResults) + `{"ruleId":"CVE-2","level":"error"},{"ruleId":"CVE-3"}`
	got := uploaded(t, `{"version":"2.1.0","runs":[{"results":[`+many+`]}]}`)
	require.Len(t, got, maxResults)
	require.Equal(t, []any{"CVE-2", "CVE-3", "CVE-1"}, []any{got[0]["ruleId"], got[1]["ruleId"], got[2]["ruleId"]})
}

func TestFindingsArriveAsTheyAreWhateverTheySay(t *testing.T) {
	for _, words := range hostile.Texts() {
		words = strings.ToValidUTF8(words, "?")
		one, err := json.Marshal(map[string]any{"ruleId": words, "message": map[string]any{"text": words, "markdown": words}, "locations": []any{map[string]any{"physicalLocation": map[string]any{"artifactLocation": map[string]any{"uri": words}}}}})
		require.NoError(t, err)
		got := uploaded(t, `{"version":"2.1.0","runs":[{"results":[`+string(one)+`]}]}`)
		require.Equal(t, words, got[0]["ruleId"])
		require.Equal(t, map[string]any{"text": words, "markdown": words}, got[0]["message"])
		require.Regexp(t, `^[0-9a-f]{16}:1$`, got[0]["partialFingerprints"].(map[string]any)["primaryLocationLineHash"])
	}
}

func TestWhyFindingsWereNotTakenIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		permission string
		refusal    githubtest.Refusal
		change     func(*Findings)
		code       string
		mayNot     bool
	}{
		// google/osv-scanner-action#128, jfrog/frogbot#178, github/codeql-action#943.
		"a private repository without it": {refusal: githubtest.Refusal{Status: http.StatusForbidden, Message: githubtest.NoCodeScanning}, code: CodeNoCodeScanning, mayNot: true},
		// GSA-TTS/agentic-coding-playbook#31.
		"the same by its newer name":         {refusal: githubtest.Refusal{Status: http.StatusForbidden, Message: "Code Security must be enabled for this repository to use code scanning."}, code: CodeNoCodeScanning, mayNot: true},
		"an Enterprise Server that has none": {refusal: githubtest.Refusal{Status: http.StatusNotFound, Message: "Not Found"}, code: CodeNotFound, mayNot: true},
		// github/codeql-action#1806, github/codeql-action#2117.
		"a job without the permission": {permission: "contents: read", code: CodeNoPermission, mayNot: true},
		"a ref that is none":           {change: func(f *Findings) { f.Ref = "main" }, code: CodeRefused}, // github/codeql-action#796
		"a report of another kind":     {change: func(f *Findings) { f.SARIF = []byte(`{"version":"1.0.0","runs":[{}]}`) }, code: CodeRefused},
		"no report":                    {change: func(f *Findings) { f.SARIF = []byte(`[]`) }, code: CodeRefused},
		"a bad moment":                 {refusal: githubtest.Refusal{Status: http.StatusServiceUnavailable}, code: "github/unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t, "security-events: write")
			if c.permission != "" {
				s = serving(t, c.permission)
			}
			if c.refusal.Status != 0 {
				s.Refuse(c.refusal)
			}
			f := findings(sarif)
			if c.change != nil {
				c.change(&f)
			}
			err := clientOf(t, s).Upload(t.Context(), f)
			var e *record.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.code, e.Code, err)
			require.Equal(t, c.mayNot, MayNot(err))
			require.Empty(t, s.Analyses())
			if c.code == CodeNoPermission {
				require.ErrorContains(t, err, "permissions:\n  security-events: write")
			}
		})
	}
}

func TestAReportThatGitHubWouldNotTakeIsNotSent(t *testing.T) {
	if race.Enabled {
		return // it takes long to make one
	}
	s := serving(t, "security-events: write")
	f := findings(sarif)
	f.SARIF = incompressible(t)
	var e *record.Error
	require.ErrorAs(t, clientOf(t, s).Upload(t.Context(), f), &e)
	require.Equal(t, CodeRefused, e.Code)
	require.Empty(t, s.Analyses())
}

func TestFindingsAreSentAgainAfterABadMoment(t *testing.T) {
	s := serving(t, "security-events: write")
	s.Refuse(githubtest.Refusal{Status: http.StatusServiceUnavailable, Times: 2})
	require.NoError(t, clientOf(t, s).Upload(t.Context(), findings(sarif)))
	require.Len(t, s.Analyses(), 1)
}

// incompressible is a report of more than GitHub takes.
func incompressible(t *testing.T) []byte {
	t.Helper()
	random := make([]byte, maxFindings+1)
	_, err := rand.Read(random)
	require.NoError(t, err)
	return bytes.Replace([]byte(sarif), []byte(`"runs"`), []byte(`"x":"`+base64.StdEncoding.EncodeToString(random)+`","runs"`), 1)
}
