package registry

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/google/go-containerregistry/pkg/authn"
)

// pullSecrets is a keychain of the .dockerconfigjson of Kubernetes' pull secrets, with
// the kubelet's rule for several.
type pullSecrets struct{ logins }

// readPullSecrets reads documents of the form {"auths":{"HOST/PATH":{…}}}.
func readPullSecrets(documents [][]byte) (pullSecrets, error) {
	secrets := pullSecrets{logins{}}
	for i, document := range documents {
		var config struct {
			Auths map[string]account `json:"auths"`
		}
		if err := json.Unmarshal(document, &config); err != nil {
			// The error of the decoder would show parts of the secret.
			return secrets, fmt.Errorf("reading pull secret %d: it is not a Docker configuration in JSON", i+1)
		}
		maps.Copy(secrets.logins, readLogins(config.Auths))
	}
	return secrets, nil
}

// Resolve implements [authn.Keychain].
func (s pullSecrets) Resolve(resource authn.Resource) (authn.Authenticator, error) {
	address := s.find(resource)
	if address == "" {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(s.logins[address].AuthConfig), nil
}
