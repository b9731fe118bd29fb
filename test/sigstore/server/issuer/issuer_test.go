package issuer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

func serve(t *testing.T) *Issuer {
	server := httptest.NewUnstartedServer(nil)
	i, err := New("http://" + server.Listener.Addr().String())
	require.NoError(t, err)
	server.Config.Handler = i
	server.Start()
	t.Cleanup(server.Close)
	return i
}

func ask(t *testing.T, url, authorization string) (int, string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func claimsOf(t *testing.T, i *Issuer, parameters string) map[string]any {
	status, text := ask(t, i.RequestURL()+"&audience=sigstore"+parameters, "bearer "+i.Bearer)
	require.Equal(t, http.StatusOK, status, text)
	var answer struct{ Value string }
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	signed, err := jose.ParseSigned(answer.Value, []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(t, err)
	payload, err := signed.Verify(i.keys)
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	return claims
}

func TestATokenCarriesTheClaimsOfTheJob(t *testing.T) {
	i := serve(t)
	claims := claimsOf(t, i, "")
	require.Equal(t, "repo:acme/backstage:ref:refs/tags/v1.2.3", claims["sub"])
	require.Equal(t, "https://github.com/"+claims["job_workflow_ref"].(string), Identity())
	require.Equal(t, "tag", claims["ref_type"])
	require.NotContains(t, claims, "path")
	require.NotContains(t, claims, "environment")

	claims = claimsOf(t, i, "&repository=else/fork&ref=refs/heads/main&environment=production&job_workflow_ref=acme/flows/.github/workflows/deploy.yml@refs/tags/v2&job_workflow_sha=abc")
	require.Equal(t, "repo:else/fork:environment:production", claims["sub"])
	require.Equal(t, "else", claims["repository_owner"])
	require.Equal(t, "else/fork/.github/workflows/release.yml@refs/heads/main", claims["workflow_ref"])
	require.Equal(t, "acme/flows/.github/workflows/deploy.yml@refs/tags/v2", claims["job_workflow_ref"])
}

func TestWhatGitHubRefusesIsRefused(t *testing.T) {
	i := serve(t)
	good := i.RequestURL() + "&audience=sigstore"
	for _, c := range []struct {
		name, url, authorization string
		status                   int
	}{
		{"another token", good, "bearer wrong", http.StatusUnauthorized},
		{"no token", good, "", http.StatusUnauthorized},
		{"another scheme", good, "basic " + i.Bearer, http.StatusUnauthorized},
		{"no audience", i.RequestURL(), "bearer " + i.Bearer, http.StatusBadRequest},
		{"an empty audience", i.RequestURL() + "&audience=", "bearer " + i.Bearer, http.StatusBadRequest},
		{"no version of the interface", strings.Replace(good, "api-version", "version", 1), "bearer " + i.Bearer, http.StatusBadRequest},
		{"a parameter that says nothing", good + "&colour=red", "bearer " + i.Bearer, http.StatusBadRequest},
		{"a repository without an owner", good + "&repository=alone", "bearer " + i.Bearer, http.StatusBadRequest},
		{"a ref of no kind", good + "&ref=main", "bearer " + i.Bearer, http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := ask(t, c.url, c.authorization)
			require.Equal(t, c.status, status, text)
			require.NotContains(t, text, "value")
		})
	}
}
