package github

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
)

func TestTheTokenDoesNotFollowToAnotherHost(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer other.Close()
	moved := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	c, err := New(Options{API: moved.URL, Repository: githubtest.Repository, Token: githubtest.Token})
	require.NoError(t, err)
	_, err = c.list(t.Context(), "")
	require.ErrorContains(t, err, "leads to another host")
	require.False(t, asked)
}

func TestAClientWantsTheVariablesOfAJob(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		code    string
	}{
		"on a laptop":     {Options{Token: "t"}, "github/not-in-actions"},
		"without a token": {Options{API: "https://ghes.example.com/api/v3", Repository: "org/web"}, "github/no-token"},
		"no repository":   {Options{API: "https://api.github.com", Repository: "org", Token: "t"}, "github/not-in-actions"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.options)
			require.ErrorContains(t, err, "["+c.code+"]")
		})
	}
}

// On an Enterprise Server the API is below a path.
func TestTheAPIMayBeBelowAPath(t *testing.T) {
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		_, _ = w.Write([]byte("[]"))
	}))
	defer server.Close()
	c, err := New(Options{API: server.URL + "/api/v3", Repository: "org/web", Token: "t"})
	require.NoError(t, err)
	_, err = c.list(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, "/api/v3/repos/org/web/deployments", path)
}
