package sensitive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsAskedForByNameIsThereButNeverGit(t *testing.T) {
	for _, c := range []struct {
		path    string
		include []string
		there   bool
	}{
		{".env.defaults", []string{".env.defaults"}, true},
		{"deploy/.env", []string{"deploy"}, false},
		{"deploy/.env", []string{"deploy/.env"}, true},
		{".aws/config", []string{".aws"}, true},
		{".aws/.env", []string{".aws"}, false},
		{"tls.p12", []string{"tls.p12"}, true},
		{".git/config", []string{".git/config"}, false},
		{".git-credentials", []string{".git-credentials"}, false},
		{"sub/.GIT/config", []string{"sub/.GIT"}, false},
	} {
		require.Equal(t, c.there, Path(c.path, c.include) == "", "%s of %q", c.path, c.include)
	}
}

// TestTheBuildLeavesOutWholeFoldersOfATool: nobody needs them in an image.
func TestTheBuildLeavesOutWholeFoldersOfATool(t *testing.T) {
	for _, name := range []string{"catalog/.ssh/known_hosts", "catalog/.ssh", "catalog/.aws/task-definition.json", "catalog/.docker/nginx.conf", "packages/a/.config/gcloud/logs/x"} {
		require.NotEmpty(t, Path(name, nil), name)
	}
}

// TestTemplatesKeepTheirFiles: projects that are made of them need those
// (nextlyhq/nextly#764, #770, n8n-io/n8n#30068).
func TestTemplatesKeepTheirFiles(t *testing.T) {
	for _, folder := range []string{"examples/template/content", "packages/backend/templates/service/skeleton", "templates"} {
		for _, name := range []string{".npmrc", ".env", ".env.example", ".yarnrc.yml", ".gitignore", "app-config.local.yaml", ".gitlab-ci.yml"} {
			require.Empty(t, Path(folder+"/"+name, nil), name)
			why, err := File("app/"+folder+"/"+name, "app", strings.NewReader("x"))
			require.NoError(t, err)
			require.Empty(t, why, name)
		}
		for _, name := range []string{".git/config", ".ssh/id_rsa", ".aws/credentials", "id_rsa", ".netrc"} {
			require.NotEmpty(t, Path(folder+"/"+name, nil), name)
		}
	}
	why, err := Content("templates/.env", strings.NewReader("TOKEN=ghp_"+strings.Repeat("a1B2", 9)))
	require.NoError(t, err)
	require.Equal(t, "token", why)
}

// TestFilesOfAnImage has what is there on purpose, or was published, beside what logs
// in somewhere.
func TestFilesOfAnImage(t *testing.T) {
	token := "npm_abcdefghijklmnopqrstuvwxyz" + "0123456789"
	key := "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"
	for _, c := range []struct{ path, content, why string }{
		// Homes and other folders (nodejs/docker-node#145).
		{"root/.npmrc", "x", "login"},
		{"home/node/.npmrc", "//registry.example.com/:_authToken=" + token, "login"},
		{"usr/local/etc/npmrc", "//registry.example.com/:_authToken=abc", "login"},
		{"root/.docker/config.json", "{}", "credentials"},
		{"root/.ssh/id_rsa", "x", "credentials"},
		{"home/node/.git-credentials", "x", "credentials"},
		{"usr/src/app/.env", "x", "environment"},
		{"srv/server.key", key, "private key"},
		{"etc/ssh/ssh_host_rsa_key", key, "private key"},
		{"root/.gitconfig", "[url \"https://me:secret@example.com/\"]\n", "Git"},
		{"opt/tool/.git/config", "[remote \"origin\"]\n\turl = https://me:secret@example.com/x.git\n", "Git"},
		{"app/packages/backend/.yarnrc.yml", "npmAuthToken: x", "login"},
		{"app/app-config.yaml", "integrations:\n  github:\n    - token: ghp_" + strings.Repeat("a1B2", 9) + "\n", "token"},
		{"app/node_modules/x/.npmrc", "//registry.example.com/:_authToken=" + token, "login"},

		// The official image of Backstage copies it.
		{"app/.yarnrc.yml", "nodeLinker: node-modules\n\nyarnPath: .yarn/releases/yarn-4.4.1.cjs\n", ""},
		{"app/.yarnrc.yml", "npmAuthToken: \"${NODE_AUTH_TOKEN:-fallback}\"\n", ""},
		{"app/.npmrc", "# ours\nengine-strict=true\n//npm.pkg.github.com/:_authToken=${NODE_AUTH_TOKEN}\n", ""},
		{"app/.npmrc", "", ""},
		// Keys of tests (npm/cli#3401, nodejs/node-gyp#2537, browserify/publicEncrypt#23,
		// trufflesecurity/trufflehog#5299, aquasecurity/trivy#2296).
		{"app/node_modules/tunnel/test/keys/agent1-key.pem", key, ""},
		{"usr/local/lib/node_modules/npm/node_modules/node-gyp/test/fixtures/server.key", key, ""},
		{"app/node_modules/ssh2/test/fixtures/id_rsa", key, ""},
		{"usr/lib/python3/dist-packages/x/test/key.pem", key, ""},
		{"root/.pyenv/versions/3.13.0/lib/python3.13/test/certdata/ssl_key.pem", key, ""},
		// gchq/sleeper#6213, angular/protractor#5538
		{"etc/ssl/private/ssl-cert-snakeoil.key", key, ""},
		// Tools that are installed, keys of the public, folders of projects.
		{"root/.nvm/.git/config", "[remote \"origin\"]\n\turl = https://github.com/nvm-sh/nvm.git\n", ""},
		{"root/.gitconfig", "[user]\n\tname = x\n[safe]\n\tdirectory = *\n", ""},
		{"root/.ssh/known_hosts", "github.com ssh-ed25519 AAAA", ""},
		{"root/.gnupg/pubring.kbx", "x", ""}, // nodejs/docker-node#956
		{"root/.config/gcloud/.last_update_check.json", "{}", ""},
		{"root/.azure/az.json", "{}", ""},
		{"app/.aws/task-definition.json", "{}", ""},
		{"app/.docker/nginx.conf", "x", ""},
		{"etc/ssl/certs/ca.pem", "-----BEGIN CERTIFICATE-----", ""},
		// Words about keys (aquasecurity/trivy#2274), tokens of manuals.
		{"app/catalog/api.yaml", "example: '-----BEGIN PRIVATE KEY-----'", ""},
		{"app/catalog/docs.yaml", "token: ghp_" + strings.Repeat("x", 36), ""},
		{"app/packages/app/dist/main.js", "'-----BEGIN PRIVATE KEY-----'", ""},
		{"app/app-config.yaml", "integrations:\n  github:\n    - token: ${GITHUB_TOKEN}\n", ""},
	} {
		why, err := File(c.path, "app", strings.NewReader(c.content))
		require.NoError(t, err)
		require.Equal(t, c.why == "", why == "", "%s: %s", c.path, why)
		require.Contains(t, why, c.why, c.path)
	}
}

func TestAHardLinkIsJudgedByItsName(t *testing.T) {
	for name, want := range map[string]string{"app/.npmrc": "login of a package registry", "app/tls.key": "", "app/x.yaml": "", "app/node_modules/x/.npmrc": ""} {
		why, err := File(name, "app", nil)
		require.NoError(t, err)
		require.Equal(t, want, why, name)
	}
}
