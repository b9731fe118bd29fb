package pipeline

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

const noFindings = `{"version":"2.1.0","runs":[{"results":[]}]}`

// found is a scan, for the settings, in a job whose GitHub is the server: what it logs.
func found(t *testing.T, s *githubtest.Server, telling config.Telling, environ ...string) string {
	t.Helper()
	d, log, end := told(s, config.Settings{}, append(environ, "GITHUB_REF=refs/heads/main")...)
	settings := config.Settings{Scan: config.Scan{ScanReports: config.ScanReports{GitHubCodeScanning: telling}}}
	newSlice(Commands()["scan"], settings, d.host).upload(image1(t), []byte(noFindings))
	require.Empty(t, s.Requests(), "nothing is sent before the record is written")
	end(record.Record{Verdict: record.VerdictRefused})
	return log.String()
}

func TestFindingsAreSentToGitHubAtTheEndAlsoOfARefusal(t *testing.T) {
	s := githubtest.New(t, []string{"security-events: write"})
	log := found(t, s, config.TellAuto)
	all := s.Analyses()
	require.Len(t, all, 1, log)
	require.Equal(t, builtCommit, all[0].Commit)
	require.Equal(t, "refs/heads/main", all[0].Ref)
	require.Contains(t, string(all[0].SARIF), `"stagecrew/ghcr.io/org/web/"`)
	require.Contains(t, log, "was sent the findings")
}

func TestFindingsAreNotSentWhereNobodyWantsThem(t *testing.T) {
	for name, c := range map[string]struct {
		telling config.Telling
		environ string
	}{
		"never":           {config.TellNever, ""},
		"without a token": {config.TellAuto, "GITHUB_TOKEN="},
		"on a laptop":     {config.TellAuto, "GITHUB_ACTIONS=false"},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.New(t, []string{"security-events: write"})
			require.Empty(t, found(t, s, c.telling, c.environ))
			require.Empty(t, s.Requests())
		})
	}
}

// A scan that ended well made jobs red where the repository has no code scanning
// (google/osv-scanner-action#128, jfrog/frogbot#178), and where its token only reads, as
// for a fork's pull request. Whether it has is asked by the upload itself: a public
// repository has it without any sign of that in its settings (fallow-rs/fallow#817).
func TestThatGitHubTakesNoFindingsIsAWarningOnlyWhereTheyWereToBeSent(t *testing.T) {
	off := githubtest.Refusal{Request: "POST /code-scanning/sarifs", Status: http.StatusForbidden, Message: githubtest.NoCodeScanning}
	gone := githubtest.Refusal{Request: "POST /code-scanning/sarifs", Status: http.StatusNotFound, Message: "Not Found"}
	for name, c := range map[string]struct {
		permission string
		refusal    []githubtest.Refusal
		code       string
	}{
		"code scanning is off":    {"security-events: write", []githubtest.Refusal{off}, "github/no-code-scanning"},
		"there is none":           {"security-events: write", []githubtest.Refusal{gone}, "github/not-found"},
		"the token of a fork":     {"security-events: read", nil, "github/no-permission"},
		"a job without the right": {"contents: read", nil, "github/no-permission"},
	} {
		t.Run(name, func(t *testing.T) {
			for telling, warns := range map[config.Telling]bool{config.TellAuto: false, config.TellAlways: true} {
				s := githubtest.New(t, []string{c.permission})
				s.Refuse(c.refusal...)
				log := found(t, s, telling)
				require.Contains(t, log, c.code)
				require.Equal(t, warns, strings.Contains(log, "level=WARN"), log)
				require.Empty(t, s.Analyses())
			}
		})
	}
	require.Contains(t, found(t, githubtest.New(t, nil), config.TellAlways, "GITHUB_TOKEN="), "github/no-token")
}
