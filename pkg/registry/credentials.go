package registry

import (
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
func (a Access) Keychain() authn.Keychain { return a.keychain() }

// keychain asks in order: what was given, the files of `docker login` and `podman
// login` with their credential helpers (which is how Amazon's and Azure's registries
// come in), GITHUB_TOKEN for ghcr.io, and Google's ambient credentials for its
// registries.
func (a Access) keychain() authn.Keychain {
	getenv := a.Getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	return authn.NewMultiKeychain(givenKeychain(a.Credentials), loginKeychain{getenv}, github.Keychain, google.Keychain)
}

type givenKeychain []Credentials

// Resolve implements [authn.Keychain].
func (g givenKeychain) Resolve(resource authn.Resource) (authn.Authenticator, error) {
	for _, c := range g {
		if oneName(c.Host) == oneName(resource.RegistryStr()) && c.Username != "" {
			return &authn.Basic{Username: c.Username, Password: c.Password}, nil
		}
	}
	return authn.Anonymous, nil
}

// oneName gives a registry the one name by which its credentials are kept: Docker Hub
// has three (dotnet/sdk-container-builds#361).
func oneName(host string) string {
	switch host = strings.ToLower(host); host {
	case "docker.io", "registry-1.docker.io":
		return name.DefaultRegistry
	}
	return host
}

// ConfigKey is how the configuration of Docker calls a registry.
func ConfigKey(host string) string {
	if host = oneName(host); host != name.DefaultRegistry {
		return host
	}
	return authn.DefaultAuthKey
}
