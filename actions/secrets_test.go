package actions_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// As azure/k8s-set-context, and most guides, want it in a secret. A plain one masks
// each of its lines wherever they stand (actions/runner, src/Runner.Worker/Worker.cs).
func TestAKubeconfigMayBeBase64(t *testing.T) {
	const config = "apiVersion: v1\nclusters: []\nusers:\n- name: ci\n  user:\n    token: \"abcdefgh\"\n    client-key-data: QUJDREVGR0g=\n"
	encoded := base64.StdEncoding.EncodeToString([]byte(config))
	for name, c := range map[string]struct{ given, want, masked string }{
		"plain":               {config, config + "\n", ""},
		"base64":              {encoded, config, "::add-mask::abcdefgh\n::add-mask::QUJDREVGR0g=\n"},
		"base64 with breaks":  {encoded[:40] + "\r\n" + encoded[40:] + "\n", config, "::add-mask::abcdefgh\n::add-mask::QUJDREVGR0g=\n"},
		"base64 of other":     {"aGVsbG8=", "aGVsbG8=\n", ""},
		"a word, no base64":   {"config", "config\n", ""},
		"JSON, which is YAML": {`{"clusters":[]}`, `{"clusters":[]}` + "\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			code, out := run(t, temp, []string{"KUBECONFIG_CONTENT=" + c.given}, "secrets.sh", "write")
			require.Zero(t, code, out)
			require.Equal(t, c.masked, out)
			content, err := os.ReadFile(filepath.Join(temp, "stagecrew", "secrets", "kubeconfig"))
			require.NoError(t, err)
			require.Equal(t, c.want, string(content))
		})
	}
}

// A token does not stand on a line of its own in what clouds and people write
// (Factory-AI/droid-action#127: in a JSON blob).
func TestTheSecretsOfAKubeconfigAreMaskedInAnyStyle(t *testing.T) {
	for config, want := range map[string]string{
		`{"clusters":[],"users":[{"user":{"token":"abcdefgh12345","client-key-data" : "QUJDREVGR0g="}}]}`:                 "abcdefgh12345 QUJDREVGR0g=",
		"clusters: []\nusers: [{user: {token: abcdefgh12345, username: ci}}]\n":                                           "abcdefgh12345",
		"clusters: []\nusers:\n- user:\n    token: 'abcdefgh12345'\n    password: p,a}ssword\n":                           "abcdefgh12345 p,a}ssword",
		"clusters: []\nusers:\n- user: {auth-provider: {config: {id-token: eyJh.e30.x, refresh-token: \"refresh-1\"}}}\n": "eyJh.e30.x refresh-1",
		"clusters: []\nusers:\n- user:\n    tokenFile: /var/run/token-of-a-pod\n":                                         "",
	} {
		code, out := run(t, t.TempDir(), []string{"KUBECONFIG_CONTENT=" + base64.StdEncoding.EncodeToString([]byte(config))}, "secrets.sh", "write")
		require.Zero(t, code, out)
		require.ElementsMatch(t, strings.Fields(want), strings.Fields(strings.ReplaceAll(out, "::add-mask::", "")), config)
	}
}

// The step that init writes, and a secret as it comes from Windows (cli/cli#13588).
func TestTheKubeconfigOfAWrittenWorkflowMayBeBase64(t *testing.T) {
	const config = "apiVersion: v1\nclusters: []\n"
	encoded := base64.StdEncoding.EncodeToString([]byte(config))
	for _, file := range []string{"deploy.yml", "rollback.yml"} {
		script := scriptOf(t, written(t, file, true), "kubeconfig")
		for name, c := range map[string]struct{ given, want string }{
			"plain":                         {config, config + "\n"},
			"base64":                        {encoded, config},
			"base64 in lines":               {encoded[:20] + "\n" + encoded[20:] + "\n", config},
			"base64 in lines as of Windows": {encoded[:20] + "\r\n" + encoded[20:] + "\r\n", config},
		} {
			t.Run(file+" "+name, func(t *testing.T) {
				temp := t.TempDir()
				cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "RUNNER_TEMP=" + temp, "GITHUB_OUTPUT=" + filepath.Join(temp, "output"), "CONTENT=" + c.given}
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, string(out))
				require.Empty(t, string(out))
				for name, want := range map[string]string{"kubeconfig": c.want, "output": "path=" + temp + "/kubeconfig\n"} {
					content, err := os.ReadFile(filepath.Join(temp, name))
					require.NoError(t, err)
					require.Equal(t, want, string(content))
				}
			})
		}
	}
}

// scriptOf is what the first step with an id runs.
func scriptOf(t *testing.T, workflow, id string) string {
	t.Helper()
	for _, j := range parsed(t, workflow).Jobs {
		for _, s := range j.Steps {
			if s.ID == id {
				return s.Run
			}
		}
	}
	t.Fatalf("no step %s", id)
	return ""
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

func TestWhatAnEarlierStepPlantedIsNotFollowed(t *testing.T) {
	for name, plant := range map[string]string{
		"a link in place of a file":          `mkdir -p "$secrets" && ln -s "$evil/stolen" "$secrets/kubeconfig"`,
		"a link in place of the folder":      `mkdir -p "$(dirname "$secrets")" && ln -s "$evil" "$secrets"`,
		"a link in place of Docker's folder": `mkdir -p "$secrets" && ln -s "$evil" "$secrets/docker"`,
		"a folder that all can read":         `mkdir -p "$secrets" && chmod 777 "$secrets"`,
		"a file that all can read":           `mkdir -p "$secrets" && touch "$secrets/kubeconfig" && chmod 666 "$secrets/kubeconfig"`,
		"a pipe in place of a file":          `mkdir -p "$secrets" && mkfifo "$secrets/kubeconfig"`,
		"a link in place of the whole place": `ln -s "$evil" "$(dirname "$secrets")"`,
	} {
		t.Run(name, func(t *testing.T) {
			temp, evil := t.TempDir(), t.TempDir()
			secrets := filepath.Join(temp, "stagecrew", "secrets")
			step := exec.CommandContext(t.Context(), "bash", "-euc", plant)
			step.Env = append(os.Environ(), "evil="+evil, "secrets="+secrets)
			text, err := step.CombinedOutput()
			require.NoError(t, err, string(text))
			code, out := run(t, temp, []string{"KUBECONFIG_CONTENT=config", "REGISTRY=ghcr.io", "REGISTRY_USERNAME=u", "REGISTRY_PASSWORD=p"}, "secrets.sh", "write")
			left, err := os.ReadDir(evil)
			require.NoError(t, err)
			require.Empty(t, left, "a secret went elsewhere")
			if strings.Contains(name, "whole place") {
				require.Equal(t, 2, code, out)
				return
			}
			require.Zero(t, code, out)
			info, err := os.Lstat(secrets)
			require.NoError(t, err)
			require.Equal(t, os.ModeDir|0o700, info.Mode())
			info, err = os.Lstat(filepath.Join(secrets, "kubeconfig"))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
		})
	}
}

// B5 of the security reading.
func TestARegistryIsANameAndNoJSON(t *testing.T) {
	for _, registry := range []string{`x":{"auth":"eA=="},"y`, "x\ny", "a b", ""} {
		code, out := run(t, t.TempDir(), []string{"REGISTRY=" + registry, "REGISTRY_USERNAME=u", "REGISTRY_PASSWORD=p"}, "secrets.sh", "write")
		require.Equal(t, 2, code, registry)
		require.Contains(t, out, "the registry is not HOST[:PORT]")
	}
}

func TestSecretsOfAStepBeforeAreGone(t *testing.T) {
	temp := t.TempDir()
	code, out := run(t, temp, []string{"SIGN_KEY=key"}, "secrets.sh", "write")
	require.Zero(t, code, out)
	code, out = run(t, temp, []string{"KUBECONFIG_CONTENT=config"}, "secrets.sh", "write")
	require.Zero(t, code, out)
	require.NoFileExists(t, filepath.Join(temp, "stagecrew", "secrets", "sign-key"))
}
