package build

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// TestFilesThatTheConfigurationNamesAndTheImageLacksAreTold: the catalog goes without them
// (backstage/backstage#17432, #20940, #28402), and the backend ends without a part of its
// configuration (cnoe-io/idpbuilder#21, backstage/backstage#27075).
func TestFilesThatTheConfigurationNamesAndTheImageLacksAreTold(t *testing.T) {
	const catalog = "catalog:\n  locations:\n"
	file := func(target string) string { return "    - type: file\n      target: " + target + "\n" }
	for name, c := range map[string]struct {
		files      map[string]string
		production string
		want       []string // of which each warning has one
	}{
		"what is in the image": {
			files:      map[string]string{"examples/org.yaml": "x", "catalog/a/b.yaml": "x", "catalog/link": "-> a"},
			production: catalog + file("./examples/org.yaml") + file("catalog-info.yaml") + file("/app/catalog/a/b.yaml") + file("./catalog/**/*.yaml") + file("catalog/link/b.yaml") + file("examples/missing-but.${ENV}.yaml") + file("/mnt/catalog.yaml"),
		},
		"a folder that images do not have": {
			files:      map[string]string{"entities/org.yaml": "x"},
			production: catalog + file("./entities/org.yaml") + file("./catalog/*.json"),
			want:       []string{"and the build's includes add what lies elsewhere: ./entities/org.yaml, ./catalog/*.json"},
		},
		"paths of the development server": {
			files: map[string]string{"examples/org.yaml": "x", "app-config.yaml": catalog + file("../../examples/org.yaml")},
			want:  []string{": ../../examples/org.yaml"},
		},
		"the last list counts": {
			files:      map[string]string{"app-config.yaml": catalog + file("../../examples/org.yaml")},
			production: "catalog:\n  locations: []\n",
		},
		"another kind of location": {production: catalog + "    - type: url\n      target: https://example.com/x.yaml\n"},
		"parts of the configuration": {
			files:      map[string]string{"app-config.parts.yaml": "a: 1"},
			production: "a:\n  $include: ./app-config.parts.yaml#a\nb:\n  - $include: github-app-x-credentials.yaml\nc:\n  $file: ./secret.txt\nd:\n  $file: /run/secrets/x\ne:\n  $env: HOME\n",
			want:       []string{"unless the release mounts them: github-app-x-credentials.yaml, ./secret.txt"},
		},
		"what only Backstage's reader takes": {production: "a: [\n"},
	} {
		t.Run(name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			files := portal()
			maps.Copy(files, c.files)
			if c.production != "" {
				files["app-config.production.yaml"] = c.production
			}
			result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
			require.NoError(t, err)
			require.Len(t, result.Warnings, len(c.want))
			for i, want := range c.want {
				require.Contains(t, result.Warnings[i], want)
			}
		})
	}
}

// TestSecretsInClearTextAreTold: backstage/backstage#16520 (credentials in the image),
// codecentric/c4-genai-suite#1725, router-for-me/CLIProxyAPI#4164. Where they are, and never
// what they are.
func TestSecretsInClearTextAreTold(t *testing.T) {
	for name, c := range map[string]struct{ production, want string }{
		"variables":                 {"backend:\n  auth:\n    keys:\n      - secret: ${BACKEND_SECRET}\n  database:\n    connection:\n      password: ${POSTGRES_PASSWORD}\nproxy:\n  endpoints:\n    /x:\n      headers:\n        Authorization: Bearer ${TOKEN}\n", ""},
		"switches and fillers":      {"auth:\n  tokenExpiration: 1h\n  passwordPolicy: strict\nintegrations:\n  github:\n    - host: github.com\n      token: dummy\n", ""},
		"of the database":           {"backend:\n  database:\n    connection:\n      password: hunter2-Sesame\n", ": app-config.production.yaml: backend.database.connection.password"},
		"of the backend":            {"backend:\n  auth:\n    keys:\n      - secret: hunter2-Sesame\n", ": app-config.production.yaml: backend.auth.keys.secret"},
		"of a client, and a header": {"auth:\n  providers:\n    github:\n      production:\n        clientSecret: hunter2-Sesame\nproxy:\n  endpoints:\n    /x:\n      headers:\n        Authorization: Basic hunter2-Sesame\n", ": app-config.production.yaml: auth.providers.github.production.clientSecret, app-config.production.yaml: proxy.endpoints./x.headers.Authorization"},
	} {
		t.Run(name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			files := portal()
			files["app-config.production.yaml"] = c.production
			result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
			require.NoError(t, err)
			if c.want == "" {
				require.Empty(t, result.Warnings)
				return
			}
			require.Len(t, result.Warnings, 1)
			require.True(t, strings.HasSuffix(result.Warnings[0], c.want), result.Warnings[0])
			require.NotContains(t, result.Warnings[0], "hunter2")
		})
	}
}

// TestAFrontendThatNobodyServesIsTold: backstage/backstage#2573, #10093, #25724 (Cannot find
// module 'app/package.json').
func TestAFrontendThatNobodyServesIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		backend, link string
		told          bool
	}{
		"installed":              {`"@backstage/plugin-app-backend":"1"`, "-> ../packages/app", false},
		"not installed":          {`"@backstage/plugin-app-backend":"1"`, "", true},
		"served by another host": {`"pg":"1"`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			files := portal()
			files["packages/app/package.json"] = `{"name":"app","backstage":{"role":"frontend"}}`
			files["packages/backend/package.json"] = `{"name":"backend","main":"dist/index.cjs.js","dependencies":{` + c.backend + `}}`
			files["node_modules/@backstage/plugin-app-backend/package.json"] = `{"name":"@backstage/plugin-app-backend"}`
			delete(files, "node_modules/app")
			if c.link != "" {
				files["node_modules/app"] = c.link
			}
			result, err := Build(t.Context(), options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
			require.NoError(t, err)
			if !c.told {
				require.Empty(t, result.Warnings)
				return
			}
			require.Len(t, result.Warnings, 1)
			require.Contains(t, result.Warnings[0], `install again: app`)
		})
	}
}
