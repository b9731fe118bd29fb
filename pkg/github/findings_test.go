package github

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
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
		"one that is too large":        {change: func(f *Findings) { f.SARIF = incompressible(t) }, code: CodeRefused},
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
