package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// AuthConfig is what Docker 28.3 and newer take from DOCKER_AUTH_CONFIG, so that a
// build by BuildKit pushes with the credentials that we would push with; with an older
// one `docker login` has to come first. Docker knows whole registries only: the entry is
// the one that counts for the repository. It is "" without credentials for any.
func (a Access) AuthConfig(ctx context.Context, repositories ...string) (string, error) {
	auths := map[string]map[string]string{}
	for _, repository := range repositories {
		repo, err := name.NewRepository(repository)
		if err != nil {
			return "", record.BadInput("build/options", "parsing repository %q: %w", repository, err)
		}
		key := ConfigKey(repo.RegistryStr())
		if auths[key] != nil {
			continue
		}
		found, err := authn.Resolve(ctx, a.keychain(), repo)
		if err != nil {
			return "", Wrap(err, "looking for the credentials of %q", repository)
		}
		config, err := authn.Authorization(ctx, found)
		if err != nil {
			return "", Wrap(err, "looking for the credentials of %q", repository)
		}
		if config.Username != "" && config.Password != "" {
			auths[key] = map[string]string{"auth": base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%s", config.Username, config.Password))}
		}
	}
	if len(auths) == 0 {
		return "", nil
	}
	text, err := json.Marshal(map[string]any{"auths": a.beside(auths)})
	return string(text), err
}

// beside adds what the variable holds already for other registries.
func (a Access) beside(auths map[string]map[string]string) map[string]map[string]string {
	var given struct {
		Auths map[string]map[string]string `json:"auths"`
	}
	if a.Getenv == nil || json.Unmarshal([]byte(a.Getenv("DOCKER_AUTH_CONFIG")), &given) != nil {
		return auths
	}
	all := map[string]map[string]string{}
	for address, entry := range given.Auths {
		// Of a registry that is answered for, an entry for a part would come first by chance.
		if _, answered := auths[ConfigKey(hostOf(address))]; !answered {
			all[address] = entry
		}
	}
	maps.Copy(all, auths)
	return all
}
