// Package issuer is the one part of the stack that is no real server: GitHub's OIDC
// issuer, which cannot run here. It speaks the protocol by which a job asks for a
// token, and OIDC discovery for Fulcio; what it was not told, it refuses.
package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is a http.Handler that lives at URL.
type Issuer struct {
	// URL is the issuer that the tokens name, without a slash at its end.
	URL string
	// Bearer is the secret that a job shows, as ACTIONS_ID_TOKEN_REQUEST_TOKEN.
	Bearer string

	routes *http.ServeMux
	keys   jose.JSONWebKeySet
	signer jose.Signer
}

const (
	keyID      = "the-only-key"
	tokenPath  = "/job/token"
	apiVersion = "2.0"
)

// New makes an issuer, with a key of its own, that will be served at the URL.
func New(url string) (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generating key: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("making signer: %w", err)
	}
	i := &Issuer{
		URL: url, Bearer: rand.Text(), routes: http.NewServeMux(), signer: signer,
		keys: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: string(jose.RS256), Use: "sig"}}},
	}
	i.routes.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	i.routes.HandleFunc("GET /.well-known/jwks", func(w http.ResponseWriter, _ *http.Request) { reply(w, i.keys) })
	i.routes.HandleFunc("GET "+tokenPath, i.token)
	return i, nil
}

// RequestURL is what a job finds in ACTIONS_ID_TOKEN_REQUEST_URL; it appends
// "&audience=…". Parameters of Claims' names, appended too, make it another job's.
func (i *Issuer) RequestURL() string { return i.URL + tokenPath + "?api-version=" + apiVersion }

func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) { i.routes.ServeHTTP(w, r) }

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/.well-known/jwks", "response_types_supported": []string{"id_token"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{string(jose.RS256)},
	})
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || bearer != i.Bearer {
		http.Error(w, "the job's token is missing or wrong", http.StatusUnauthorized)
		return
	}
	query := r.URL.Query()
	audience := query["audience"]
	if query.Get("api-version") != apiVersion || len(audience) != 1 || audience[0] == "" {
		http.Error(w, "want api-version="+apiVersion+" and one audience", http.StatusBadRequest)
		return
	}
	query.Del("api-version")
	query.Del("audience")
	claims, err := i.claims(audience[0], query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	value, err := i.sign(claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, map[string]string{"value": value})
}

func (i *Issuer) sign(claims map[string]any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("writing claims: %w", err)
	}
	signed, err := i.signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("signing token: %w", err)
	}
	return signed.CompactSerialize()
}

func reply(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}
