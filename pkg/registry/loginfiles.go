package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxLoginFile bounds a file of credentials, in bytes.
const maxLoginFile = 4 << 20

// loginKeychain has what `docker login` and `podman login` left. Docker's own look-up
// takes any entry of the same host where it finds none for the repository, which sends
// one robot's password for another (containers/podman#17816).
type loginKeychain struct{ getenv func(string) string }

// loginFile is a file of credentials, or a variable with the content of one.
type loginFile struct {
	name    string // as messages call it
	auths   logins
	helpers map[string]string // by the registry's name
	store   string            // the helper of all other registries
}

// Resolve implements [authn.Keychain].
func (k loginKeychain) Resolve(resource authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), resource) //nolint:forbidigo // the interface has none
}

// ResolveContext implements [authn.ContextKeychain].
func (k loginKeychain) ResolveContext(ctx context.Context, resource authn.Resource) (authn.Authenticator, error) {
	if text := k.getenv("DOCKER_AUTH_CONFIG"); text != "" {
		if found, err := lookUp(ctx, "DOCKER_AUTH_CONFIG", []byte(text), resource); found != nil || err != nil {
			return found, err
		}
	}
	for _, name := range k.places() {
		content, err := files.Read(name, maxLoginFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, badCredentials("reading credentials for %q: %w", resource.RegistryStr(), err)
		}
		if found, err := lookUp(ctx, name, content, resource); found != nil || err != nil {
			return found, err
		}
	}
	return authn.Anonymous, nil
}

// places are the files in the order in which they count: those that a variable names
// come first.
func (k loginKeychain) places() []string {
	home := k.getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir() // without one there is no such file
	}
	in := func(folder, rest string) string {
		if folder == "" {
			return ""
		}
		return filepath.Join(folder, rest)
	}
	docker, config := k.getenv("DOCKER_CONFIG"), cmp.Or(k.getenv("XDG_CONFIG_HOME"), in(home, ".config"))
	all := []string{in(docker, "config.json"), k.getenv("REGISTRY_AUTH_FILE")}
	if docker == "" {
		all = append(all, in(home, ".docker/config.json"))
	}
	all = append(all, in(k.getenv("XDG_RUNTIME_DIR"), "containers/auth.json"), in(config, "containers/auth.json"))
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

func lookUp(ctx context.Context, name string, content []byte, resource authn.Resource) (authn.Authenticator, error) {
	file, err := parseLogins(name, content)
	if err != nil {
		return nil, err
	}
	return file.find(ctx, resource)
}

func parseLogins(name string, content []byte) (loginFile, error) {
	var parsed struct {
		Auths   map[string]account `json:"auths"`
		Helpers map[string]string  `json:"credHelpers"`
		Store   string             `json:"credsStore"`
	}
	content = bytes.TrimSpace(text.Unmarked(content))
	if len(content) > 0 {
		if err := json.Unmarshal(content, &parsed); err != nil {
			// The error of the decoder would show parts of a secret.
			return loginFile{}, badCredentials("reading credentials in %s: it is not a Docker configuration in JSON, {\"auths\": {…}}", name)
		}
	}
	file := loginFile{name: name, auths: readLogins(parsed.Auths), helpers: map[string]string{}, store: parsed.Store}
	for host, helper := range parsed.Helpers {
		file.helpers[plainAddress(host)] = helper
	}
	return file, nil
}

// find gives the credentials for a repository, nil when the file has none. An entry
// for a part of the registry comes before the registry's helper, as nothing but it can
// tell the parts apart, and one for all of it after the helper, as in Docker.
func (f loginFile) find(ctx context.Context, resource authn.Resource) (authn.Authenticator, error) {
	address := f.auths.find(resource)
	host := oneName(resource.RegistryStr())
	helper, own := f.helpers[host]
	if !own {
		helper = f.store
	}
	if helper != "" && !strings.Contains(address, "/") {
		found, err := askHelper(ctx, helper, ConfigKey(host))
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case credentials.IsErrCredentialsNotFound(err):
		case err != nil:
			return nil, badCredentials("asking the credential helper docker-credential-%s, which %s names for %q: %w", helper, f.name, host, Shown(err))
		default:
			return found, nil
		}
	}
	if address == "" {
		return nil, nil
	}
	if f.auths[address].broken {
		return nil, badCredentials("reading credentials for %q in %s: what stands under auth is not USER:PASSWORD in base64", address, f.name)
	}
	return authn.FromConfig(f.auths[address].AuthConfig), nil
}

func badCredentials(format string, args ...any) error {
	return record.BadInput("registry/bad-credentials", format+"; mend it (`docker login`), or give REGISTRY_USERNAME and REGISTRY_PASSWORD", args...)
}
