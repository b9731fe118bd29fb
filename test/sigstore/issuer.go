// Package sigstore is a private Sigstore on this machine, for tests: the real
// servers of Fulcio, of the timestamp authority and of Rekor, and beside them the
// only thing that cannot run here, GitHub's OIDC issuer.
package sigstore

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Workflow says which workflow asks for a token.
type Workflow struct {
	Repository string // org/repo
	Path       string // .github/workflows/release.yml
	Ref        string // refs/tags/v1.2.3
	Commit     string
	Event      string
}

// Release is the workflow of the tests.
var Release = Workflow{
	Repository: "org/repo", Path: ".github/workflows/release.yml", Ref: "refs/tags/v1.2.3",
	Commit: "0123456789012345678901234567890123456789", Event: "push",
}

// Identity is what a certificate for the workflow names.
func (w Workflow) Identity() string { return "https://github.com/" + w.ref() }

func (w Workflow) ref() string { return w.Repository + "/" + w.Path + "@" + w.Ref }

// Environment is what GitHub's runner gives a step of the workflow.
func (w Workflow) Environment() []string {
	_, name, _ := strings.Cut(strings.TrimPrefix(w.Ref, "refs/"), "/")
	kind := map[bool]string{true: "tag", false: "branch"}[strings.HasPrefix(w.Ref, "refs/tags/")]
	return []string{
		"GITHUB_ACTIONS=true", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=" + w.Repository, "GITHUB_REF=" + w.Ref, "GITHUB_REF_NAME=" + name,
		"GITHUB_REF_TYPE=" + kind, "GITHUB_SHA=" + w.Commit, "GITHUB_WORKFLOW_REF=" + w.ref(), "GITHUB_RUN_ID=42", "GITHUB_RUN_ATTEMPT=1", "GITHUB_EVENT_NAME=" + w.Event,
	}
}

// Issuer speaks the request protocol of GitHub's issuer, and that of OIDC discovery
// for Fulcio. What GitHub refuses, it refuses.
type Issuer struct {
	URL string

	key    *rsa.PrivateKey
	bearer string

	mu     sync.Mutex
	issued int
	fail   int // requests for a token to answer 503
}

const keyID = "the-only-one"

func newIssuer(t *testing.T) *Issuer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	i := &Issuer{key: key, bearer: rand.Text()}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	routes.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": keyID,
			"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())}}})
	})
	routes.HandleFunc("GET /token/{org}/{repo}", i.token)
	server := httptest.NewServer(routes)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Environment lets a job of the workflow ask for a token, as `permissions:
// id-token: write` does.
func (i *Issuer) Environment(w Workflow) []string {
	return []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + i.URL + "/token/" + w.Repository + "?ref=" + w.Ref + "&path=" + w.Path, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + i.bearer}
}

// Fail makes the next n requests for a token fail.
func (i *Issuer) Fail(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = n
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	query := r.URL.Query()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+i.bearer:
		http.Error(w, "wrong token", http.StatusUnauthorized)
		return
	case query.Get("audience") == "":
		http.Error(w, "the audience is missing", http.StatusBadRequest)
		return
	case i.fail > 0:
		i.fail--
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	i.issued++
	workflow := Workflow{Repository: r.PathValue("org") + "/" + r.PathValue("repo"), Path: query.Get("path"), Ref: query.Get("ref"), Commit: Release.Commit, Event: Release.Event}
	signed, err := i.sign(workflow, query.Get("audience"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, map[string]any{"value": signed, "count": i.issued})
}

// sign makes the token with the claims that Fulcio reads of GitHub's.
func (i *Issuer) sign(w Workflow, audience string) (string, error) {
	owner, _, _ := strings.Cut(w.Repository, "/")
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": i.URL, "aud": audience, "sub": "repo:" + w.Repository + ":ref:" + w.Ref, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"event_name": w.Event, "sha": w.Commit, "workflow": "release", "repository": w.Repository, "ref": w.Ref,
		"job_workflow_ref": w.ref(), "job_workflow_sha": w.Commit, "runner_environment": "github-hosted", "repository_id": "1",
		"repository_owner": owner, "repository_owner_id": "2", "workflow_ref": w.ref(), "workflow_sha": w.Commit, "run_id": "42", "run_attempt": "1",
		"repository_visibility": "private",
	})
	if err != nil {
		return "", err
	}
	text := encode([]byte(`{"alg":"RS256","kid":"`+keyID+`","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	return text + "." + encode(signature), err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func reply(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}
