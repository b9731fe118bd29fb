package registry

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

func TestWhatAClusterCouldPullIsToldFromWhatNobodyKnows(t *testing.T) {
	host, closed := registrytest.Serve(t, nil), registrytest.Locked(t)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	for _, c := range []struct {
		name, image string
		secrets     [][]byte
		kind        record.Kind
		code        string
	}{
		{"no such tag", base + "x", nil, record.KindRefused, "[build/image-not-found]"},
		{"no such repository", host + "/nobody/app:1", nil, record.KindRefused, "[build/image-not-found]"},
		{"no such digest", host + "/library/node@sha256:" + strings.Repeat("0", 64), nil, record.KindRefused, "[build/image-not-found]"},
		{"not a reference", "UPPER/case", nil, record.KindRefused, "[build/image-not-found]"},
		{"without its secret", closed + "/team/app:1", nil, record.KindRefused, "[build/registry-denied]"},
		{"a secret that is none", base, [][]byte{[]byte("password=hunter2")}, record.KindRefused, "[build/registry-denied]"},
		{"a registry that is down", "127.0.0.1:1/team/app:1", nil, record.KindUnavailable, "[build/registry-unavailable]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := brisk.Platforms(t.Context(), c.image, c.secrets)
			require.ErrorContains(t, err, c.code)
			require.Equal(t, c.kind, record.KindOf(err))
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestPullSecretsMatchAsForTheKubelet(t *testing.T) {
	secrets, err := readPullSecrets([][]byte{[]byte(`{"auths":{
		"https://index.docker.io/v1/": {"username":"hub","password":"p"},
		"ghcr.io": {"username":"wide","password":"p"},
		"ghcr.io/team": {"username":"narrow","password":"p"},
		"*.example.com": {"username":"pattern","password":"p"},
		"gcr.io": {"identitytoken":"t"}
	}}`)})
	require.NoError(t, err)
	for image, want := range map[string]string{
		"busybox:1.36":              "hub",
		"docker.io/library/busybox": "hub",
		"ghcr.io/team/app":          "narrow",
		"ghcr.io/teammate/app":      "wide",
		"ghcr.io/other/app":         "wide",
		"a.example.com/x/y":         "pattern",
		"a.b.example.com/x/y":       "",
		"quay.io/x/y":               "",
	} {
		ref, err := name.ParseReference(image)
		require.NoError(t, err)
		auth, err := secrets.Resolve(ref.Context())
		require.NoError(t, err)
		config, err := authn.Authorization(t.Context(), auth)
		require.NoError(t, err)
		require.Equal(t, want, config.Username, image)
	}
}

// It is what the actions hand on as github-token.
func TestTheTokenOfGitHubIsForItsRegistryAlone(t *testing.T) {
	t.Setenv("GITHUB_TOKEN", "token-1")
	t.Setenv("GITHUB_ACTOR", "somebody")
	given := Access{Credentials: []Credentials{{Host: "ghcr.io", Username: "robot", Password: "token-2"}}}
	for repository, want := range map[string][2]string{
		"ghcr.io/team/app":               {"somebody", "robot"}, // a login that was given comes first
		"docker.io/team/app":             {},
		"docker.pkg.github.com/team/app": {},
		"ghcr.io.example.com/team/app":   {},
		"example.com/ghcr.io/app":        {},
	} {
		for i, access := range []Access{home(t, nil), given} {
			user, err := whoFor(t, access, repository)
			require.NoError(t, err)
			require.Equal(t, want[i], user, repository)
		}
	}
}
