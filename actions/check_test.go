package actions_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBeforeAJobBeginsItIsSaidWhatCannotWork(t *testing.T) {
	const image = "ghcr.io/team/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, c := range map[string]struct {
		env  []string
		code int
		want string
	}{
		"a release":                   {[]string{"DOING=deploy", "IMAGE=" + image, "HAS_KEY=true"}, 0, ""},
		"no key and no identity":      {[]string{"DOING=deploy", "IMAGE=" + image, "HAS_KEY=false"}, 2, "permissions:%0A  id-token: write"},
		"no key and an identity":      {[]string{"DOING=deploy", "IMAGE=" + image, "HAS_KEY=false", "ACTIONS_ID_TOKEN_REQUEST_URL=https://x", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=team/app"}, 0, ""},
		"a key of the environment":    {[]string{"DOING=deploy", "IMAGE=" + image, "HAS_KEY=false", "STAGECREW_SIGN_KEY=env://KEY", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=team/app"}, 0, ""},
		"a promotion signs nothing":   {[]string{"DOING=promote", "IMAGE=" + image, "HAS_KEY=false", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=team/app"}, 0, ""},
		"the image was withheld":      {[]string{"DOING=deploy", "IMAGE="}, 2, "::error title=stagecrew deploy::the job build gave no digest; GitHub withholds an output"},
		"a promotion":                 {[]string{"DOING=promote", "IMAGE=" + image}, 0, ""},
		"a promotion of a tag":        {[]string{"DOING=promote", "IMAGE=ghcr.io/team/app:1.0"}, 2, "input image: ghcr.io/team/app:1.0 is not REPOSITORY@sha256:"},
		"a promotion of two":          {[]string{"DOING=promote", "IMAGE=" + image + "\n::warning::x"}, 2, "%0A::warning::x is not REPOSITORY@sha256:"},
		"a pull request of a fork":    {[]string{"DOING=build", "GITHUB_EVENT_NAME=pull_request", "FORK=true"}, 2, "this pull request comes from a fork"},
		"a pull request":              {[]string{"DOING=build", "GITHUB_EVENT_NAME=pull_request", "FORK=false"}, 0, ""},
		"pull_request_target":         {[]string{"DOING=build", "GITHUB_EVENT_NAME=pull_request_target"}, 2, "whoever opens one would get production"},
		"GitHub Enterprise Server":    {[]string{"DOING=build", "GITHUB_SERVER_URL=https://git.example.com", "WORKFLOW_SHA="}, 2, "give the input stagecrew-ref"},
		"the same with a commit":      {[]string{"DOING=build", "GITHUB_SERVER_URL=https://git.example.com", "WORKFLOW_SHA=0123"}, 0, ""},
		"no kubeconfig":               {[]string{"DOING=rollback", "HAS_KUBECONFIG=false"}, 0, "::notice title=stagecrew rollback::the secret KUBECONFIG is empty here."},
		"a build needs no kubeconfig": {[]string{"DOING=build", "HAS_KUBECONFIG=false"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := run(t, t.TempDir(), append([]string{"WORKFLOW_SHA=0123"}, c.env...), "check.sh")
			require.Equal(t, c.code, code, out)
			if c.want == "" {
				require.Empty(t, out)
				return
			}
			require.Contains(t, out, c.want)
		})
	}
}

// The certificate of a reusable workflow names that workflow, for whoever calls it
// (docs.github.com, using OpenID Connect with reusable workflows).
func TestKeylessTheProvenanceMustNameTheCaller(t *testing.T) {
	for name, c := range map[string]struct {
		config, key string
		want        bool
	}{
		"keyless":                          {"release: backstage\n", "false", true},
		"no configuration":                 {"", "false", true},
		"with a key":                       {"release: backstage\n", "true", false},
		"with a key of a KMS":              {"sign-key: awskms:///alias/x\n", "false", false},
		"what is verified is said":         {"verify-key: release.pub\n", "false", false},
		"an image of another repository":   {"'verify-repository' : https://github.com/a/b\n", "false", false},
		"a comment and a longer key count": {"# sign-key: x\nverify-key-note: x\n", "false", true},
	} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			file := filepath.Join(temp, "stagecrew.yaml")
			require.NoError(t, os.WriteFile(file, []byte(c.config), 0o600))
			code, out := run(t, temp, []string{"DOING=rollback", "HAS_KEY=" + c.key, "CONFIG=" + file, "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=team/app"}, "check.sh")
			require.Zero(t, code, out)
			content, _ := os.ReadFile(filepath.Join(temp, "output"))
			require.Equal(t, c.want, string(content) == "repository=https://github.com/team/app\n", string(content))
		})
	}
}
