package pipeline

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// job is one of org/portal, whose workflow calls another's file where that is named.
func job(t *testing.T, file string) []string {
	t.Helper()
	claims := fmt.Sprintf(`{"iss":"https://issuer.example","job_workflow_ref":%q,"repository":"org/portal"}`, file)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"value":"h.%s.s"}`, base64.RawURLEncoding.EncodeToString([]byte(claims)))
	}))
	t.Cleanup(server.Close)
	return []string{
		"GITHUB_ACTIONS=true", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=org/portal", "GITHUB_WORKFLOW_REF=org/portal/.github/workflows/release.yml@refs/tags/v1",
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + server.URL + "?a=b", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=t",
	}
}

func TestVerifyOptions_ARunThatSignsKeylessTrustsItsOwnWorkflow(t *testing.T) {
	const own, called = "org/portal/.github/workflows/release.yml@refs/tags/v1", "org/tools/.github/workflows/deploy.yml@refs/tags/v1"
	for name, c := range map[string]struct{ file, repository string }{
		"its own file":            {own, ""},
		"one that it calls":       {called, "https://github.com/org/portal"},
		"on another run's branch": {"org/portal/.github/workflows/release.yml@refs/heads/main", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := part(t, "run", config.Settings{}, job(t, c.file)...)
			options, err := s.verifyOptions()
			require.NoError(t, err)
			require.NoError(t, options.Validate(), "without more settings")
			options, err = s.asMade(t.Context(), options)
			require.NoError(t, err)
			require.Equal(t, []string{"https://github.com/" + c.file, "https://issuer.example", c.repository}, []string{options.Identity, options.Issuer, options.Policy.Repository})
		})
	}
	s := part(t, "run", config.Settings{Trust: config.Trust{VerifyRepository: "https://github.com/org/other"}}, job(t, called)...)
	options, err := s.verifyOptions()
	require.NoError(t, err)
	options, err = s.asMade(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, "https://github.com/org/other", options.Policy.Repository, "what a setting says stays")
}

// GITHUB_WORKFLOW_REF is the caller's; GitHub's own action takes the builder from the token
// (actions/toolkit, packages/attest, provenance.ts; TomHennen/wrangle#295).
func TestProvenance_TheBuilderIsTheWorkflowThatIsCalled(t *testing.T) {
	const called = "org/tools/.github/workflows/deploy.yml@refs/tags/v1"
	s := part(t, "run", config.Settings{}, job(t, called)...)
	require.Equal(t, "https://github.com/"+called, s.claims(t.Context(), nil).source.Builder)
	require.Equal(t, ".github/workflows/release.yml", s.claims(t.Context(), nil).source.Workflow, "what was started is a parameter of the build")
	s = part(t, "run", config.Settings{}, job(t, called)[:4]...)
	require.Equal(t, "https://github.com/org/portal/.github/workflows/release.yml@refs/tags/v1", s.claims(t.Context(), nil).source.Builder, "a job without id-token: write")
}

func TestTrustsItself_OnlyWhereNothingElseIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		command  string
		settings config.Settings
		environ  []string
		want     bool
	}{
		"a run of a workflow":              {"run", config.Settings{}, []string{"GITHUB_ACTIONS=true"}, true},
		"on a laptop":                      {"run", config.Settings{}, nil, false},
		"signed with a key":                {"run", config.Settings{Sign: config.Sign{SignKey: "k"}}, []string{"GITHUB_ACTIONS=true"}, false},
		"somebody is trusted":              {"run", config.Settings{Trust: config.Trust{VerifyIdentity: "x"}}, []string{"GITHUB_ACTIONS=true"}, false},
		"half of somebody is":              {"run", config.Settings{Trust: config.Trust{VerifyIssuer: "x"}}, []string{"GITHUB_ACTIONS=true"}, false},
		"nobody is, on purpose":            {"run", config.Settings{Unsigned: config.Unsigned{AllowUnsignedUnsafe: true}}, []string{"GITHUB_ACTIONS=true"}, false},
		"an image that others signed":      {"deploy", config.Settings{}, []string{"GITHUB_ACTIONS=true"}, false},
		"an image that an earlier job has": {"run", config.Settings{Built: config.Built{BuiltImage: "r"}}, []string{"GITHUB_ACTIONS=true"}, true},
	} {
		require.Equal(t, c.want, part(t, c.command, c.settings, c.environ...).trustsItself(), name)
	}
}

func TestRun_AForkChangesNothing(t *testing.T) {
	environ := []string{"GITHUB_ACTIONS=true", "GITHUB_EVENT_NAME=pull_request_target"}
	for command, refused := range map[string]bool{"run": true, "deploy": true, "rollback": true, "recover": true, "gate": true, "build": true, "sign": true, "promote": true, "preflight": false, "scan": false, "status": false, "verify": false} {
		var w witness
		err := Check(Commands()[command], config.Settings{}, w.host(environ...))
		require.Error(t, err, command)
		if refused {
			require.ErrorContains(t, err, "[gha/pull-request-target]", command)
			require.Equal(t, record.KindInput, record.KindOf(err))
		} else {
			require.NotContains(t, err.Error(), "gha/pull-request-target", command)
		}
	}
	var w witness
	err := Check(Commands()["deploy"], config.Settings{Trial: config.Trial{DryRun: true}}, w.host(environ...))
	require.NotContains(t, err.Error(), "gha/", "it looks only")
}
