package pipeline

import (
	"strings"

	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// images talk to registries with the credentials and the patience of the settings.
// The credentials are for the registries that the settings name, and no others.
func (s *slice) images() registry.Access {
	all := registry.Access{Retry: retry.Policy{Attempts: s.settings.PushAttempts}, Insecure: s.settings.InsecureRegistries, Log: s.host.Log, Getenv: s.host.Getenv}
	if s.settings.RegistryUsername == "" || s.settings.RegistryPassword == "" {
		return all
	}
	// A line break at the end comes from how the secret was stored.
	password := strings.TrimRight(s.settings.RegistryPassword, "\r\n")
	if password != s.settings.RegistryPassword {
		s.host.Secrets.Withhold(password)
	}
	for _, repository := range []string{s.settings.Repository, s.settings.ToRepository, s.settings.Image, s.settings.From, s.settings.To} {
		host, _, found := strings.Cut(repository, "/")
		if found {
			all.Credentials = append(all.Credentials, registry.Credentials{Host: host, Username: s.settings.RegistryUsername, Password: password})
		}
	}
	return all
}

// tellHalfLogin says that a user or a password alone is no login: in GitHub
// Actions, a secret that there is not is an empty text.
func (s *slice) tellHalfLogin() {
	missing := "REGISTRY_USERNAME"
	if s.settings.RegistryUsername != "" {
		missing = "REGISTRY_PASSWORD"
	}
	named := s.settings.Repository+s.settings.ToRepository+s.settings.Image != ""
	if named && (s.settings.RegistryUsername == "") != (s.settings.RegistryPassword == "") {
		s.host.Log.Warn("registries are asked without the credentials of the environment, which are not whole", "missing", missing)
	}
}
