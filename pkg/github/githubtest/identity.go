package githubtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
)

const (
	// requestToken is what a job shows to get an identity token.
	requestToken = "request-0123456789"
	identityPath = "/_apis/distributedtask/idtoken"
	// Workflow is the one whose job it is.
	Workflow = Repository + "/.github/workflows/deploy.yml@refs/heads/main"
)

// Identity are the variables of a job with which it gets an identity token: none
// without the permission id-token: write.
func (s *Server) Identity() map[string]string {
	if !s.may("id-token: write") {
		return map[string]string{}
	}
	return map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": s.URL + identityPath + "?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": requestToken}
}

// identify gives a token with GitHub's claims, whose signature is none.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Authorization") != "Bearer "+requestToken:
		refuse(w, http.StatusUnauthorized, "Bad credentials", nil)
		return
	case !s.may("id-token: write"):
		refuse(w, http.StatusForbidden, "Resource not accessible by integration", nil)
		return
	case r.URL.Query().Get("api-version") != "2.0":
		refuse(w, http.StatusBadRequest, "No api-version", nil)
		return
	}
	claims, err := json.Marshal(map[string]string{
		"iss": "https://token.actions.githubusercontent.com", "aud": cmp.Or(r.URL.Query().Get("audience"), "https://github.com/org"),
		"sub": "repo:" + Repository + ":ref:refs/heads/main", "repository": Repository, "ref": "refs/heads/main",
		"workflow_ref": Workflow, "job_workflow_ref": Workflow,
	})
	if err != nil {
		s.t.Error(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims) + "." + encode([]byte("none"))
	answer(w, http.StatusOK, map[string]any{"count": len(token), "value": token})
}
