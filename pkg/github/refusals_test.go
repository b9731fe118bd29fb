package github

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// requests are all that this program asks GitHub's API for, each for itself.
var requests = map[string]func(*testing.T, *Client) error{
	"GET /deployments": func(t *testing.T, c *Client) error {
		_, err := c.list(t.Context(), "")
		return err
	},
	"POST /deployments": func(t *testing.T, c *Client) error {
		_, err := c.create(t.Context(), Deployment{Environment: "production", Commit: firstCommit})
		return err
	},
	"POST /1/statuses":           func(t *testing.T, c *Client) error { return c.set(t.Context(), 1, status{state: Success}) },
	"GET /5/comments":            func(t *testing.T, c *Client) error { return c.Comment(t.Context(), 5, "of another key", "text") },
	"POST /5/comments":           func(t *testing.T, c *Client) error { return c.Comment(t.Context(), 5, "of another key", "text") },
	"PATCH /comments/2":          func(t *testing.T, c *Client) error { return c.Comment(t.Context(), 5, "plan", "text") },
	"POST /code-scanning/sarifs": func(t *testing.T, c *Client) error { return c.Upload(t.Context(), findings(sarif)) },
	"POST /attestations":         func(t *testing.T, c *Client) error { return c.Attest(t.Context(), json.RawMessage(bundle)) },
}

// once are requests that GitHub may have answered although the answer was lost: they are
// not repeated after an error that does not say that it has not.
var once = map[string]bool{"POST /deployments": true, "POST /5/comments": true, "POST /attestations": true}

// Each request meets each refusal of GitHub: what cannot change is said at once with what
// helps, what passes is waited for.
func TestEachRequestMeetsEachRefusal(t *testing.T) {
	after := func(seconds string) map[string]string { return map[string]string{"Retry-After": seconds} }
	const secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
	for name, c := range map[string]struct {
		refusal githubtest.Refusal
		// code of the error, "" where it passes; codeOnce that of a request of [once].
		code, codeOnce string
		says           string
	}{
		"a token that has ended":          {githubtest.Refusal{Status: 401, Message: "Bad credentials"}, "github/bad-token", "github/bad-token", "ends with it"},
		"a fork's token":                  {githubtest.Refusal{Status: 403, Message: "Resource not accessible by integration"}, CodeNoPermission, CodeNoPermission, "permissions:\n  "},
		"a repository that is not seen":   {githubtest.Refusal{Status: 404, Message: "Not Found"}, CodeNotFound, CodeNotFound, githubtest.Repository},
		"a body that is not as described": {githubtest.Refusal{Status: 422, Message: "Validation Failed"}, CodeRefused, CodeRefused, "422"},
		"a limit for the moment":          {githubtest.Refusal{Status: 429, Message: secondary, Header: after("0"), Times: 1}, "", "", ""},
		"the same as 403":                 {githubtest.Refusal{Status: 403, Message: secondary, Header: after("0"), Times: 1}, "", "", ""},
		"a limit for an hour, as 403":     {githubtest.Refusal{Status: 403, Message: secondary, Header: after("3600")}, "github/rate-limited", "github/rate-limited", "1h0m0s"},
		"a limit that says no time":       {githubtest.Refusal{Status: 403, Message: secondary}, "github/rate-limited", "github/rate-limited", "1m0s"},
		"the hour's requests are used up": {githubtest.Refusal{Status: 403, Message: "API rate limit exceeded for installation ID 1.", Header: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}}, "github/rate-limited", "github/rate-limited", "no more requests"},
		"a server that breaks once":       {githubtest.Refusal{Status: 500, Message: "Server Error", Times: 1}, "", "github/unavailable", "500"},
		"a gateway that breaks once":      {githubtest.Refusal{Status: 502, Message: "Server Error", Times: 1}, "", "github/unavailable", "502"},
		"a server that is not ready":      {githubtest.Refusal{Status: 503, Message: "Unavailable", Times: 2}, "", "", ""},
		"a server that stays broken":      {githubtest.Refusal{Status: 500, Message: "<html>\x1b[2J::error::x"}, "github/unavailable", "github/unavailable", "500"},
	} {
		for request, do := range requests {
			t.Run(name+": "+request, func(t *testing.T) {
				s := serving(t, "deployments: write", "pull-requests: write", "security-events: write", "attestations: write")
				s.AddDeployment(githubtest.Deployment{Environment: "production", Commit: firstCommit})
				s.AddComment(githubtest.Comment{Body: "<!-- stagecrew: plan -->\nold", User: "Bot"})
				c.refusal.Request = request
				s.Refuse(c.refusal)
				err, code := do(t, clientOf(t, s)), c.code
				if once[request] {
					code = c.codeOnce
				}
				if code == "" {
					require.NoError(t, err)
					return
				}
				require.Equal(t, code, record.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, c.says)
				require.NotContains(t, err.Error(), "\x1b")
				asked := 0
				for _, one := range s.Requests() {
					method, path, _ := strings.Cut(request, " ")
					if strings.HasPrefix(one, method+" ") && strings.HasSuffix(one, path) {
						asked++
					}
				}
				if code != "github/unavailable" || once[request] && c.refusal.Status != http.StatusServiceUnavailable {
					require.Equal(t, 1, asked, "what cannot change is not asked again")
				}
			})
		}
	}
}
