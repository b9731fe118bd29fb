package program

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recorded are variables of a job, with what each kind of program sees of them.
var recorded = []struct {
	name                    string
	script, install, images bool
}{
	{name: "PATH", script: true, install: true, images: true},
	{name: "HTTPS_PROXY", script: true, install: true, images: true},
	{name: "NODE_OPTIONS", script: true, install: true},
	{name: "NPM_CONFIG_REGISTRY", script: true, install: true},
	{name: "NPM_TOKEN", install: true},
	{name: "NPM_PAT", install: true},
	{name: "NODE_AUTH_TOKEN", install: true},
	{name: "YARN_NPM_AUTH_TOKEN", install: true},
	{name: "npm_config__auth", install: true},
	{name: "DOCKER_CONFIG", images: true},
	{name: "AWS_SECRET_ACCESS_KEY", images: true},
	{name: "GITHUB_TOKEN"},
	{name: "GITHUB_ENV"},
	{name: "GITHUB_OUTPUT"},
	{name: "GITHUB_PATH"},
	{name: "COSIGN_PASSWORD"},
	{name: "REGISTRY_PASSWORD"},
	{name: "STAGECREW_SIGN_KEY"},
	{name: "BACKSTAGE_SMOKE_TOKEN"},
	{name: "KUBECONFIG"},
	{name: "ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
	{name: "LD_PRELOAD"},
	{name: "BASH_ENV"},
}

func TestProgramsOfABuildGetWhatTheyNeed(t *testing.T) {
	var environ []string
	for _, v := range recorded {
		environ = append(environ, v.name+"=x=y")
	}
	names := func(environ []string) (names []string) {
		for _, v := range environ {
			name, _, _ := strings.Cut(v, "=")
			names = append(names, name)
		}
		return names
	}
	wants := func(kind func(i int) bool) (names []string) {
		for i, v := range recorded {
			if kind(i) {
				names = append(names, v.name)
			}
		}
		return names
	}
	valued := slices.DeleteFunc(ForScripts(environ, nil), func(v string) bool { return strings.HasSuffix(v, "=") })
	require.Equal(t, wants(func(i int) bool { return recorded[i].script }), names(valued))
	require.Equal(t, wants(func(i int) bool { return recorded[i].install }), names(ForScripts(environ, nil)), "without their value: Yarn runs nothing where they are not there")
	require.Equal(t, wants(func(i int) bool { return recorded[i].install }), names(ForInstallers(environ, nil)))
	require.Equal(t, wants(func(i int) bool { return recorded[i].images }), names(ForImageBuilders(environ, nil)))
	require.Contains(t, ForScripts(environ, []string{"GITHUB_TOKEN"}), "GITHUB_TOKEN=x=y", "unless it is asked for by name")
}
