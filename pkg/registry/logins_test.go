package registry

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// auth is an entry of `docker login` for a user whose password is "p".
func auth(user string) string {
	return `{"auth":"` + base64.StdEncoding.EncodeToString([]byte(user+":p")) + `"}`
}

// whoFor gives the user whose credentials go to a repository.
func whoFor(t *testing.T, a Access, repository string) (string, error) {
	t.Helper()
	repo, err := name.NewRepository(repository)
	require.NoError(t, err)
	found, err := authn.Resolve(t.Context(), a.Keychain(), repo)
	if err != nil {
		return "", err
	}
	config, err := authn.Authorization(t.Context(), found)
	require.NoError(t, err)
	if config.IdentityToken != "" {
		return "token " + config.IdentityToken, nil
	}
	return config.Username, nil
}

// home is an environment whose home folder has the files.
func home(t *testing.T, contents map[string]string, variables ...string) Access {
	t.Helper()
	folder := t.TempDir()
	for name, content := range contents {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return Access{Getenv: func(name string) string {
		for _, v := range variables {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return strings.ReplaceAll(value, "HOME", folder)
			}
		}
		return map[string]string{"HOME": folder}[name]
	}}
}

// TestTheNarrowestEntryCounts is the rule of containers-auth.json(5): "the most
// specific" entry (containers/podman#17816, google/go-containerregistry#1181).
func TestTheNarrowestEntryCounts(t *testing.T) {
	for _, c := range []struct {
		name, auths, repository, want string
	}{
		{"the registry", `{"r.example": ` + auth("a") + `}`, "r.example/team/portal", "a"},
		{"with a scheme", `{"https://r.example": ` + auth("a") + `}`, "r.example/team/portal", "a"},
		{"as old Docker wrote it", `{"https://r.example/v1/": ` + auth("a") + `}`, "r.example/team/portal", "a"},
		{"another port", `{"r.example:5000": ` + auth("a") + `}`, "r.example/team/portal", ""},
		{"a namespace", `{"r.example/team": ` + auth("a") + `}`, "r.example/team/portal", "a"},
		{"the repository itself", `{"r.example/team/portal": ` + auth("a") + `}`, "r.example/team/portal", "a"},
		{"the longest", `{"r.example": ` + auth("a") + `,"r.example/team": ` + auth("b") + `,"r.example/team/portal": ` + auth("c") + `}`, "r.example/team/portal", "c"},
		{"another robot's namespace", `{"r.example/other": ` + auth("b") + `}`, "r.example/team/portal", ""},
		{"two robots", `{"r.example/other": ` + auth("b") + `,"r.example/team": ` + auth("a") + `}`, "r.example/team/portal", "a"},
		{"a name that begins alike", `{"r.example/team": ` + auth("a") + `}`, "r.example/teammate/portal", ""},
		{"two spellings", `{"https://r.example/v1/": ` + auth("old") + `,"r.example": ` + auth("a") + `}`, "r.example/team/portal", "a"},
		{"a user and a password", `{"r.example": {"username":"a","password":"p"}}`, "r.example/team/portal", "a"},
		{"an identity token", `{"r.example": {"auth":"` + base64.StdEncoding.EncodeToString([]byte("00000000-0000-0000-0000-000000000000:")) + `","identitytoken":"t"}}`, "r.example/team/portal", "token t"},
		{"an entry that a helper left", `{"r.example": {}}`, "r.example/team/portal", ""},
		{"Docker Hub", `{"https://index.docker.io/v1/": ` + auth("hub") + `}`, "docker.io/team/portal", "hub"},
		{"Docker Hub, by Podman", `{"docker.io": ` + auth("hub") + `}`, "index.docker.io/team/portal", "hub"},
		{"Docker Hub's own host", `{"registry-1.docker.io": ` + auth("hub") + `}`, "docker.io/team/portal", "hub"},
		{"a namespace of Docker Hub", `{"docker.io/team": ` + auth("hub") + `}`, "docker.io/other/portal", ""},
		{"broken, of another registry", `{"q.example": {"auth":"%"},"r.example": ` + auth("a") + `}`, "r.example/team/portal", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := home(t, map[string]string{".docker/config.json": `{"auths":` + c.auths + `}`})
			// Docker's own look-up goes over a map: it was right now and then.
			for range 20 {
				who, err := whoFor(t, a, c.repository)
				require.NoError(t, err)
				require.Equal(t, c.want, who)
			}
		})
	}
}

func TestWhereCredentialsAreLookedFor(t *testing.T) {
	one := func(user string) string { return `{"auths":{"r.example":` + auth(user) + `}}` }
	all := map[string]string{".docker/config.json": one("docker"), "named/config.json": one("named"), "run/containers/auth.json": one("podman"), ".config/containers/auth.json": one("config"), "xdg/containers/auth.json": one("xdg"), "auth.json": one("file")}
	for _, c := range []struct {
		name      string
		without   []string
		variables []string
		want      string
	}{
		{"docker login", nil, nil, "docker"},
		{"podman login", []string{".docker/config.json"}, []string{"XDG_RUNTIME_DIR=HOME/run"}, "podman"},
		{"podman login without a session", []string{".docker/config.json"}, nil, "config"},
		{"another folder of configurations", []string{".docker/config.json"}, []string{"XDG_CONFIG_HOME=HOME/xdg"}, "xdg"},
		{"DOCKER_CONFIG", nil, []string{"DOCKER_CONFIG=HOME/named"}, "named"},
		{"DOCKER_CONFIG without a file", nil, []string{"DOCKER_CONFIG=HOME/none"}, "config"},
		{"REGISTRY_AUTH_FILE", nil, []string{"REGISTRY_AUTH_FILE=HOME/auth.json"}, "file"},
		{"DOCKER_AUTH_CONFIG", nil, []string{"DOCKER_CONFIG=HOME/named", "DOCKER_AUTH_CONFIG=" + one("variable")}, "variable"},
		{"DOCKER_AUTH_CONFIG of another registry", nil, []string{`DOCKER_AUTH_CONFIG={"auths":{"q.example":` + auth("x") + `}}`}, "docker"},
		{"nothing", []string{".docker/config.json", ".config/containers/auth.json"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			contents := map[string]string{}
			for name, content := range all {
				contents[name] = content
			}
			for _, name := range c.without {
				delete(contents, name)
			}
			who, err := whoFor(t, home(t, contents, c.variables...), "r.example/team/portal")
			require.NoError(t, err)
			require.Equal(t, c.want, who)
		})
	}
}

// TestAFileThatSaysNothingAboutARegistryDoesNotHideTheNextOne: runners have a
// config.json of their own, and people log in with Podman.
func TestAFileThatSaysNothingAboutARegistryDoesNotHideTheNextOne(t *testing.T) {
	a := home(t, map[string]string{".docker/config.json": `{"auths":{"q.example":` + auth("q") + `}}`, ".config/containers/auth.json": `{"auths":{"r.example":` + auth("r") + `}}`})
	who, err := whoFor(t, a, "r.example/team/portal")
	require.NoError(t, err)
	require.Equal(t, "r", who)
}

// TestCredentialsOfTheSettingsAreForAllNamesOfDockerHub: dotnet/sdk-container-builds#361.
func TestCredentialsOfTheSettingsAreForAllNamesOfDockerHub(t *testing.T) {
	names := []string{"docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"}
	for _, given := range names {
		for _, asked := range names[:3] {
			who, err := whoFor(t, Access{Credentials: []Credentials{{Host: given, Username: "team", Password: "p"}}}, asked+"/team/portal")
			require.NoError(t, err)
			require.Equal(t, "team", who, "%s for %s", given, asked)
		}
	}
	who, err := whoFor(t, home(t, nil), "r.example/team/portal")
	require.NoError(t, err)
	require.Empty(t, who)
}

// helperOf puts a credential helper into PATH.
func helperOf(t *testing.T, name, script string) {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "docker-credential-"+name), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
}

func TestHelpersAreAskedForTheirRegistry(t *testing.T) {
	helperOf(t, "good", `read host; echo "{\"Username\":\"$1 $host\",\"Secret\":\"p\"}"`)
	helperOf(t, "token", `echo '{"Username":"<token>","Secret":"t"}'`)
	helperOf(t, "none", `echo "credentials not found in native keychain"; exit 1`)
	helperOf(t, "empty", `echo '{}'`)
	for _, c := range []struct{ name, config, repository, want string }{
		{"of one registry", `{"credHelpers":{"r.example":"good"}}`, "r.example/team/portal", "get r.example"},
		{"of another", `{"credHelpers":{"q.example":"good"}}`, "r.example/team/portal", ""},
		{"of all", `{"credsStore":"good"}`, "r.example/team/portal", "get r.example"},
		{"of Docker Hub", `{"credsStore":"good"}`, "docker.io/team/portal", "get https://index.docker.io/v1/"},
		{"of Docker Hub alone", `{"credHelpers":{"https://index.docker.io/v1/":"good"}}`, "docker.io/team/portal", "get https://index.docker.io/v1/"},
		{"a token", `{"credsStore":"token"}`, "r.example/team/portal", "token t"},
		{"it has none, the file has", `{"credsStore":"none","auths":{"r.example":` + auth("a") + `}}`, "r.example/team/portal", "a"},
		{"it has nothing", `{"credsStore":"empty"}`, "r.example/team/portal", ""},
		{"its own before the store", `{"credsStore":"token","credHelpers":{"r.example":"good"},"auths":{"r.example":{}}}`, "r.example/team/portal", "get r.example"},
		{"a namespace before the helper", `{"credsStore":"good","auths":{"r.example/team":` + auth("a") + `}}`, "r.example/team/portal", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.True(t, json.Valid([]byte(c.config)))
			who, err := whoFor(t, home(t, map[string]string{".docker/config.json": c.config}), c.repository)
			require.NoError(t, err)
			require.Equal(t, c.want, who)
		})
	}
}

// TestCredentialsThatCannotBeReadAreInput: docker/for-mac#7445, okteto/okteto#3353.
func TestCredentialsThatCannotBeReadAreInput(t *testing.T) {
	helperOf(t, "broken", `echo "no key, see log" >&2; exit 3`)
	helperOf(t, "chatty", `echo "Warning: deprecated"`)
	for _, c := range []struct{ name, config, want string }{
		{"a helper that is missing", `{"credsStore":"desktop"}`, "docker-credential-desktop"},
		{"a helper of the registry that is missing", `{"credHelpers":{"r.example":"ecr-login"}}`, "it is not installed here"},
		{"a helper that fails", `{"credsStore":"broken"}`, "no key, see log"},
		{"a helper that says something else", `{"credsStore":"chatty"}`, "docker-credential-chatty"},
		{"no JSON", `{"auths": {"r.example":{"auth":"hunter2"}},}`, "not a Docker configuration"},
		{"another JSON", `["hunter2"]`, "not a Docker configuration"},
		{"no pair", `{"auths":{"r.example":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("hunter2")) + `"}}}`, "USER:PASSWORD"},
		{"no base64", `{"auths":{"r.example":{"auth":"hunter2"}}}`, "USER:PASSWORD"},
		{"a folder in its place", "", "no regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			contents := map[string]string{".docker/config.json": c.config}
			if c.config == "" {
				contents = map[string]string{".docker/config.json/x": ""}
			}
			a := home(t, contents)
			_, err := whoFor(t, a, "r.example/team/portal")
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "config.json")
			require.ErrorContains(t, err, "[registry/bad-credentials]")
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "reachable")
			require.Equal(t, record.KindInput, record.KindOf(err))

			a.Credentials = []Credentials{{Host: "r.example", Username: "given", Password: "p"}}
			who, err := whoFor(t, a, "r.example/team/portal")
			require.NoError(t, err, "nothing else is asked")
			require.Equal(t, "given", who)
		})
	}
}

func TestWhatIsWrongWithCredentialsComesThroughAsItIs(t *testing.T) {
	a := home(t, map[string]string{".docker/config.json": `{"credsStore":"desktop"}`})
	a.Insecure = []string{"127.0.0.1"}
	ref, err := name.ParseReference("127.0.0.1:1/team/portal:1")
	require.NoError(t, err)
	_, err = a.Connect().Get(t.Context(), ref)
	require.Equal(t, record.KindInput, record.KindOf(Wrap(err, "reading %q", ref)))
	require.ErrorContains(t, Wrap(err, "reading %q", ref), "[registry/bad-credentials]")
}

// TestBuildKitPushesWithTheCredentialsThatCount, whatever else its own look-up would
// take (dotnet/sdk-container-builds#361, containers/podman#17816).
func TestBuildKitPushesWithTheCredentialsThatCount(t *testing.T) {
	given := []Credentials{{Host: "docker.io", Username: "a", Password: "p"}}
	for _, c := range []struct {
		name, config, variable, repository string
		credentials                        []Credentials
		want                               string
	}{
		{"of Docker Hub", "{}", "", "docker.io/team/portal", given, `{"https://index.docker.io/v1/":` + auth("a") + `}`},
		{"a namespace's", `{"auths":{"r.example/other":` + auth("b") + `,"r.example/team":` + auth("a") + `}}`, "", "r.example/team/portal", nil, `{"r.example":` + auth("a") + `}`},
		{"none", `{"auths":{"r.example/other":` + auth("b") + `}}`, "", "r.example/team/portal", nil, ""},
		{"beside what was given", "{}", `{"auths":{"q.example":` + auth("q") + `,"docker.io":` + auth("x") + `}}`, "docker.io/team/portal", given, `{"https://index.docker.io/v1/":` + auth("a") + `,"q.example":` + auth("q") + `}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := home(t, map[string]string{".docker/config.json": c.config}, "DOCKER_AUTH_CONFIG="+c.variable)
			a.Credentials = c.credentials
			got, err := a.AuthConfig(t.Context(), c.repository, c.repository)
			require.NoError(t, err)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.JSONEq(t, `{"auths":`+c.want+`}`, got)
		})
	}
	_, err := home(t, map[string]string{".docker/config.json": `{"credsStore":"desktop"}`}).AuthConfig(t.Context(), "r.example/team/portal")
	require.ErrorContains(t, err, "[registry/bad-credentials]")
}
