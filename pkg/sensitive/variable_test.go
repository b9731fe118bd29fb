package sensitive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var npmToken = "npm_abcdefghijklmnopqrstuvwxyz" + "0123456789"

func TestVariablesWithSecrets(t *testing.T) {
	for _, pair := range []string{
		"NPM_TOKEN=abc", "GITHUB_TOKEN=x", "POSTGRES_PASSWORD=postgres", // deepfence/SecretScanner#120
		"BACKEND_SECRET=s3cret", "AWS_SECRET_ACCESS_KEY=abc", "API_KEY=abc", "SECRET_KEY_BASE=abc", "NPMRC=//r/:_authToken=x", "AZURE_PAT=abc",
		"DATABASE_URL=postgres://me:secret@db/x", "ANYTHING=" + npmToken, "KEY=-----BEGIN PRIVATE KEY-----",
	} {
		name, value, _ := strings.Cut(pair, "=")
		require.True(t, Variable(name, value), pair)
	}
}

func TestVariablesWithout(t *testing.T) {
	for _, pair := range []string{
		"PATH=/usr/bin", "NODE_VERSION=24.1.0", "YARN_VERSION=1.22.22", "NODE_OPTIONS=--no-node-snapshot", "NPM_TOKEN=", "NPM_TOKEN=${NPM_TOKEN}", "NPM_TOKEN=$NPM_TOKEN",
		"WORDPRESS_CLI_GPG_KEY=63AF7AA15067C05616FDDD88A3A2E8F226F0BC06", "KEYCLOAK_ID_KEY=id", // goodwithtech/dockle#130
		"GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305", "CC=/usr/bin/clang", // madhuakula/docker-security-checker#2
		"PASSWORD_FILE=/run/secrets/x", "POSTGRES_PASSWORD=/run/secrets/x", "GOOGLE_APPLICATION_CREDENTIALS=/etc/gcp/Key.json", "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/x", "TOKEN_URL=https://x",
		"MAX_TOKENS=4096", "TOKEN=0", "REQUIRE_PASSWORD=true", "SECRET_KEY_BASE=dummy", "BYPASS=abc", "GOPASS_VERSION=1.8.5", // Checkmarx/kics#3763
		"MONKEY=x", "REQUIRE_AUTH=optional", "DATABASE_URL=postgres://$USER:$PASSWORD@db/x", "EXAMPLE=ghp_" + strings.Repeat("x", 36),
	} {
		name, value, _ := strings.Cut(pair, "=")
		require.False(t, Variable(name, value), pair)
	}
}

func TestStepsThatTellSecrets(t *testing.T) {
	for step, want := range map[string][]string{
		// npm/docs#850, goodwithtech/dockle#196, backstage/backstage#3457
		"RUN |1 NPM_TOKEN=" + npmToken + " /bin/sh -c npm ci # buildkit":                   {"ARG NPM_TOKEN"},
		"|2 NODE_ENV=production NPM_TOKEN=a b /bin/sh -c npm ci":                           {"ARG NPM_TOKEN"},
		"RUN |1 NPM_TOKEN=abc npm ci # buildkit":                                           {"ARG NPM_TOKEN"},
		"ENV NPM_TOKEN=abc":                                                                {"ENV NPM_TOKEN"},
		"/bin/sh -c #(nop)  ENV GITLAB_TOKEN=abc":                                          {"ENV GITLAB_TOKEN"},
		"ENV NPM_TOKEN abc":                                                                {"ENV NPM_TOKEN"},
		"ARG NPM_TOKEN=abc":                                                                {"ARG NPM_TOKEN"},
		"ENV A=1 DB_PASSWORD=x y B=2 API_KEY=z":                                            {"ENV DB_PASSWORD", "ENV API_KEY"},
		"RUN /bin/sh -c echo \"//registry.npmjs.org/:_authToken=abc\" > .npmrc # buildkit": {"a command"},
		"/bin/sh -c git clone https://me:secret@example.com/x.git":                         {"a command"},
		"RUN |1 A=b /bin/sh -c curl -H \"x: " + npmToken + "\" # buildkit":                 {"a command"},

		"RUN |1 NPM_TOKEN /bin/sh -c npm ci # buildkit": nil,
		"ARG NPM_TOKEN":         nil,
		"ENV NODE_VERSION=24.1": nil,
		"RUN /bin/sh -c echo \"//registry.npmjs.org/:_authToken=${NPM_TOKEN}\" > .npmrc && npm ci # buildkit":          nil,
		"RUN /bin/sh -c printf '//x/:_authToken=%s' \"$(cat /run/secrets/t)\" >> .npmrc":                               nil, // ever-co/ever-teams#4489
		"RUN /bin/sh -c apk add --no-cache libcrypto3=3.1.4-r1 libssl3=3.1.4-r1 # buildkit":                            nil, // goodwithtech/dockle#250
		"/bin/sh -c set -eux; { echo '[www]'; echo 'access.log = /proc/self/fd/2'; } | tee x":                          nil, // goodwithtech/dockle#202
		"RUN /bin/sh -c set -ex && for key in 5BE8A3F6C8A5C01D106C0AD820B1A390B168D356 ; do gpg --recv \"$key\"; done": nil,
		"COPY .npmrc ./ # buildkit": nil,
		"":                          nil,
	} {
		require.Equal(t, want, Step(step), step)
	}
}

// FuzzStep: history is what others wrote.
func FuzzStep(f *testing.F) {
	f.Add("RUN |1 NPM_TOKEN=x /bin/sh -c npm ci")
	f.Add("ENV A b")
	f.Add("ENV =")
	f.Add("|")
	f.Fuzz(func(t *testing.T, text string) {
		for _, word := range Step(text) {
			require.NotContains(t, word, "=")
		}
	})
}
