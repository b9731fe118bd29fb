package gha

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// issuer answers as GitHub does to a job with the permission.
func issuer(t *testing.T, status int, body string) map[string]string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer request-token" || r.URL.Query().Get("audience") != "sigstore" || r.URL.Query().Get("api-version") != "2.0" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return map[string]string{"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": server.URL + "/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token"}
}

func TestActions_IdentityToken_IsMaskedAndItsAbsenceExplained(t *testing.T) {
	wrong := issuer(t, http.StatusOK, `{"value":"a.b.c"}`)
	wrong["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "stale"
	down := issuer(t, http.StatusOK, "")
	down["ACTIONS_ID_TOKEN_REQUEST_URL"] = "http://127.0.0.1:1/token"
	for _, c := range []struct {
		name        string
		environment map[string]string
		want        string
		kind        record.Kind
	}{
		{"a job with the permission", issuer(t, http.StatusOK, `{"value":"a.b.c"}`), "", 0},
		{"a job without it", map[string]string{"GITHUB_ACTIONS": "true"}, "id-token: write", record.KindInput},
		{"a pull request, perhaps of Dependabot", map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request"}, "of forks and of Dependabot no identity token", record.KindInput},
		{"a request token that does not hold", wrong, "[gha/identity-refused]", record.KindInput},
		{"GitHub is down", issuer(t, http.StatusServiceUnavailable, "secret words"), "GitHub answered 503", record.KindUnavailable},
		{"GitHub cannot be reached", down, "connection refused", record.KindUnavailable},
		{"an answer without a token", issuer(t, http.StatusOK, `{}`), "[gha/identity-unavailable]", record.KindUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			token, err := New(func(key string) string { return c.environment[key] }, &out).IdentityToken(t.Context(), "sigstore")
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "a.b.c", token)
				require.Contains(t, out.String(), "::add-mask::a.b.c")
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, c.kind, record.KindOf(err))
			require.NotContains(t, err.Error(), "secret words")
		})
	}
}

func TestAJobIsWhoGitHubSaysThatItIs(t *testing.T) {
	s := githubtest.New(t, []string{"id-token: write"})
	environment := s.Identity()
	environment["GITHUB_ACTIONS"], environment["GITHUB_SERVER_URL"] = "true", "https://github.com"
	actions := New(func(key string) string { return environment[key] }, io.Discard)
	got, err := actions.Identity(t.Context())
	require.NoError(t, err)
	require.Equal(t, Identity{"https://github.com/" + githubtest.Workflow, "https://token.actions.githubusercontent.com", false}, got)

	environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "of another job"
	_, err = actions.Identity(t.Context())
	require.ErrorContains(t, err, "[gha/identity-refused]")
	require.Empty(t, githubtest.New(t, []string{"contents: read"}).Identity(), "such a job has not even the variables")
}

func TestActions_Source_IsThatOfTheWorkflow(t *testing.T) {
	environment := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "org/repo", "GITHUB_REF": "refs/tags/v1", "GITHUB_SHA": "abc",
		"GITHUB_WORKFLOW_REF": "org/repo/.github/workflows/release.yml@refs/tags/v1", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_EVENT_NAME": "push",
		"GITHUB_REPOSITORY_ID": "212613049", "GITHUB_REPOSITORY_OWNER_ID": "59704711", "RUNNER_ENVIRONMENT": "github-hosted",
	}
	require.Equal(t, Source{
		Repository: "https://github.com/org/repo", Ref: "refs/tags/v1", Commit: "abc", Workflow: ".github/workflows/release.yml", Event: "push",
		Builder: "https://github.com/org/repo/.github/workflows/release.yml@refs/tags/v1", Invocation: "https://github.com/org/repo/actions/runs/7/attempts/2",
		RepositoryID: "212613049", OwnerID: "59704711", Runner: "github-hosted",
	}, New(func(key string) string { return environment[key] }, &strings.Builder{}).Source())
	require.Zero(t, New(func(string) string { return "" }, &strings.Builder{}).Source())
}

// A reusable workflow signs under its own name, whoever calls it; GITHUB_WORKFLOW_REF
// names the caller, whose signatures then never verify (sigstore/cosign#1313,
// dceoy/gh-actions-for-devops#737).
func TestActions_Identity_IsThatOfTheWorkflowWhoseJobThisIs(t *testing.T) {
	for name, c := range map[string]struct {
		claims string
		want   Identity
	}{
		"its own workflow": {`{"iss":"https://issuer","job_workflow_ref":"org/portal/.github/workflows/deploy.yml@refs/heads/main","repository":"org/portal"}`,
			Identity{"https://github.com/org/portal/.github/workflows/deploy.yml@refs/heads/main", "https://issuer", false}},
		"one that is called": {`{"iss":"https://issuer","job_workflow_ref":"org/tools/.github/workflows/deploy.yml@v1","repository":"org/portal"}`,
			Identity{"https://github.com/org/tools/.github/workflows/deploy.yml@v1", "https://issuer", true}},
		"a repository whose name begins alike": {`{"iss":"https://issuer","job_workflow_ref":"org/portal-tools/.github/workflows/deploy.yml@v1","repository":"org/portal"}`,
			Identity{"https://github.com/org/portal-tools/.github/workflows/deploy.yml@v1", "https://issuer", true}},
		"a token that says nothing": {`{}`, Identity{}},
		"no JSON":                   {`x`, Identity{}},
	} {
		t.Run(name, func(t *testing.T) {
			environment := issuer(t, http.StatusOK, `{"value":"a.`+base64.RawURLEncoding.EncodeToString([]byte(c.claims))+`.c"}`)
			environment["GITHUB_SERVER_URL"] = "https://github.com"
			got, err := New(func(key string) string { return environment[key] }, io.Discard).Identity(t.Context())
			require.Equal(t, c.want, got)
			if (c.want == Identity{}) {
				require.Equal(t, record.KindUnavailable, record.KindOf(err))
				return
			}
			require.NoError(t, err)
		})
	}
}
