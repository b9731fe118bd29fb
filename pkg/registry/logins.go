package registry

import (
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// logins are the credentials of a Docker configuration by HOST[/PATH], in the forms
// of docker-login(1), containers-auth.json(5) and Kubernetes' pull secrets. Of several
// the one with the longest matching address counts.
type logins map[string]login

type login struct {
	authn.AuthConfig
	broken bool // what stands under "auth" is not USER:PASSWORD in base64
}

// account is an entry under "auths".
type account struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// readLogins orders entries by their addresses. An entry without content says that a
// helper has it, and is none.
func readLogins(auths map[string]account) logins {
	all := logins{}
	addresses := slices.Sorted(maps.Keys(auths))
	// Of two spellings of one address the one that Docker or Podman writes counts.
	slices.SortStableFunc(addresses, func(a, b string) int { return spelling(a) - spelling(b) })
	for _, address := range addresses {
		key := plainAddress(address)
		if _, have := all[key]; !have && auths[address] != (account{}) {
			all[key] = auths[address].login()
		}
	}
	return all
}

func spelling(address string) int {
	if address == authn.DefaultAuthKey || address == plainAddress(address) {
		return 0
	}
	return 1
}

// plainAddress takes from an address what Docker adds to it.
func plainAddress(address string) string {
	address = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"), "/")
	address = strings.TrimSuffix(strings.TrimSuffix(address, "/v1"), "/v2")
	host, folder, below := strings.Cut(address, "/")
	if !below {
		return oneName(host)
	}
	return oneName(host) + "/" + folder
}

func hostOf(address string) string {
	host, _, _ := strings.Cut(plainAddress(address), "/")
	return host
}

func (a account) login() login {
	l := login{AuthConfig: authn.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}}
	if a.Auth == "" {
		return l
	}
	plain, err := base64.StdEncoding.DecodeString(a.Auth)
	user, password, pair := strings.Cut(string(plain), ":")
	if err != nil || !pair || user == "" {
		l.broken = true
		return l
	}
	l.Username, l.Password = user, strings.Trim(password, "\x00")
	return l
}

// find gives the address that counts for a repository, "" when there is none.
func (l logins) find(resource authn.Resource) (address string) {
	for candidate := range l {
		if matches(candidate, resource) && len(candidate) > len(address) {
			address = candidate
		}
	}
	return address
}

// matches compares HOST[/PATH]; the host may be a pattern such as *.example.com.
func matches(address string, resource authn.Resource) bool {
	host, folder, _ := strings.Cut(address, "/")
	asked := oneName(resource.RegistryStr())
	// A star stands for one part of the host's name.
	ok, err := path.Match(strings.ReplaceAll(host, ".", "/"), strings.ReplaceAll(asked, ".", "/"))
	if host != asked && (err != nil || !ok) {
		return false
	}
	repository := strings.TrimPrefix(resource.String(), resource.RegistryStr()+"/")
	return folder == "" || repository == folder || strings.HasPrefix(repository, folder+"/")
}
