package actions_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsLieInFilesOfTheirOwner(t *testing.T) {
	temp := t.TempDir()
	code, out := run(t, temp, []string{
		"KUBECONFIG_CONTENT=apiVersion: v1\nkind: Config", "SIGN_KEY=key",
		"REGISTRY=registry.example.com", "REGISTRY_USERNAME=robot", "REGISTRY_PASSWORD=word",
	}, "secrets.sh", "write")
	require.Zero(t, code, out)
	require.Equal(t, "::add-mask::cm9ib3Q6d29yZA==\n", out, "the encoded login is masked, nothing else is printed")

	dir := filepath.Join(temp, "stagecrew", "secrets")
	for name, want := range map[string]string{
		"kubeconfig":         "apiVersion: v1\nkind: Config\n",
		"sign-key":           "key\n",
		"docker/config.json": `{"auths":{"registry.example.com":{"auth":"cm9ib3Q6d29yZA=="}}}` + "\n",
		"../../output":       "kubeconfig=" + dir + "/kubeconfig\nsign-key=" + dir + "/sign-key\ndocker-config=" + dir + "/docker\n",
	} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, string(content), name)
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}

	code, _ = run(t, temp, nil, "secrets.sh", "remove")
	require.Zero(t, code)
	require.NoDirExists(t, dir)
}

func TestTheJobsTokenGoesToGitHubsRegistryOnly(t *testing.T) {
	for registry, want := range map[string]bool{"ghcr.io": true, "registry.example.com": false} {
		temp := t.TempDir()
		code, out := run(t, temp, []string{"REGISTRY=" + registry, "GHCR_USERNAME=octocat", "GHCR_PASSWORD=token"}, "secrets.sh", "write")
		require.Zero(t, code, out)
		_, err := os.Stat(filepath.Join(temp, "stagecrew", "secrets", "docker", "config.json"))
		require.Equal(t, want, err == nil, registry)
	}
}

func TestSecretsThatAreNotGivenHaveNoOutput(t *testing.T) {
	temp := t.TempDir()
	code, out := run(t, temp, []string{"REGISTRY=ghcr.io"}, "secrets.sh", "write")
	require.Zero(t, code, out)
	require.NoFileExists(t, filepath.Join(temp, "output"))
}
