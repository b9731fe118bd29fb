package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/authn/github"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/google"
)

// Credentials are those of one registry.
type Credentials struct {
	Host               string // HOST[:PORT]
	Username, Password string
}

// Keychain has the same credentials for the libraries of other stages.
func (a Access) Keychain() authn.Keychain { return keychain(a.Credentials) }

// keychain asks in order: what was given, the Docker configuration with its
// credential helpers (which is how Amazon's and Azure's registries come in),
// GITHUB_TOKEN for ghcr.io, and Google's ambient credentials for its registries.
func keychain(given []Credentials) authn.Keychain {
	return authn.NewMultiKeychain(givenKeychain(given), authn.DefaultKeychain, github.Keychain, google.Keychain)
}

type givenKeychain []Credentials

// Resolve implements [authn.Keychain].
func (g givenKeychain) Resolve(resource authn.Resource) (authn.Authenticator, error) {
	for _, c := range g {
		if c.Host == resource.RegistryStr() && c.Username != "" {
			return &authn.Basic{Username: c.Username, Password: c.Password}, nil
		}
	}
	return authn.Anonymous, nil
}

// pullSecrets is a keychain of the .dockerconfigjson of Kubernetes' pull secrets.
// Of several entries the one with the longest matching address wins, as for the
// kubelet.
type pullSecrets map[string]authn.AuthConfig

// readPullSecrets reads documents of the form {"auths":{"HOST/PATH":{…}}}.
func readPullSecrets(documents [][]byte) (pullSecrets, error) {
	secrets := pullSecrets{}
	for i, document := range documents {
		var config struct {
			Auths map[string]struct {
				Username, Password, Auth, IdentityToken, RegistryToken string
			}
		}
		if err := json.Unmarshal(document, &config); err != nil {
			// The error of the decoder would show parts of the secret.
			return nil, fmt.Errorf("reading pull secret %d: it is not a Docker configuration in JSON", i+1)
		}
		for address, a := range config.Auths {
			address = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"), "/")
			address = strings.TrimSuffix(strings.TrimSuffix(address, "/v1"), "/v2")
			c := authn.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
			if plain, err := base64.StdEncoding.DecodeString(a.Auth); err == nil && a.Auth != "" {
				c.Username, c.Password, _ = strings.Cut(string(plain), ":")
			}
			secrets[address] = c
		}
	}
	return secrets, nil
}

// Resolve implements [authn.Keychain].
func (s pullSecrets) Resolve(resource authn.Resource) (authn.Authenticator, error) {
	best, found := "", false
	for address := range s {
		if secretMatches(address, resource) && (!found || len(address) > len(best)) {
			best, found = address, true
		}
	}
	if !found {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(s[best]), nil
}

// secretMatches compares HOST[/PATH]; the host may be a pattern such as *.example.com.
func secretMatches(address string, resource authn.Resource) bool {
	host, folder, _ := strings.Cut(address, "/")
	if host == "docker.io" {
		host = name.DefaultRegistry // Docker Hub has two names
	}
	// A star stands for one part of the host's name.
	ok, err := path.Match(strings.ReplaceAll(host, ".", "/"), strings.ReplaceAll(resource.RegistryStr(), ".", "/"))
	if err != nil || !ok {
		return false
	}
	repository := strings.TrimPrefix(resource.String(), resource.RegistryStr()+"/")
	return folder == "" || repository == folder || strings.HasPrefix(repository, folder+"/")
}
