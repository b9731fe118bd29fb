package build

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// portal is a small installed workspace: content by path, "-> x" is a link,
// "#!" makes a file executable.
func portal() map[string]string {
	return map[string]string{
		"package.json":                                `{"workspaces":["packages/*"]}`,
		"package-lock.json":                           `{"lockfileVersion":3}`,
		"backstage.json":                              `{"version":"1.55.0"}`,
		"catalog-info.yaml":                           "kind: Component\n",
		"app-config.yaml":                             "app: {title: Test}\n",
		"app-config.production.yaml":                  "backend: {listen: ':7007'}\n",
		"app-config.local.yaml":                       "token: secret\n",
		".npmrc":                                      "//registry/:_authToken=secret\n",
		".env":                                        "TOKEN=secret\n",
		".git/config":                                 "[core]\n",
		"notes.txt":                                   "not part of the application\n",
		"node_modules/pg/package.json":                `{"name":"pg"}`,
		"node_modules/pg/bin/run.js":                  "#!/usr/bin/env node\n",
		"node_modules/.bin/run":                       "-> ../pg/bin/run.js",
		"node_modules/.cache/x":                       "cache\n",
		"node_modules/app":                            "-> ../packages/app",
		"node_modules/" + strings.Repeat("n", 120):    "a name too long for the oldest archive format\n",
		"packages/app/package.json":                   `{"name":"app"}`,
		"packages/app/dist/index.html":                "<html></html>\n",
		"packages/app/src/App.tsx":                    "source\n",
		"packages/backend/package.json":               `{"name":"backend","main":"dist/index.cjs.js"}`,
		"packages/backend/dist/index.cjs.js":          "'use strict';\n",
		"packages/backend/dist/bundle.tar.gz":         "packed\n",
		"packages/backend/node_modules/knex/index.js": "nested\n",
	}
}

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	return treetest.Write(t, files)
}

// open are the hosts of the registries of tests, which do not encrypt.
var open = []string{"127.0.0.1"}

// hasty does not make a test wait.
var hasty = registry.Access{Insecure: open, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}

func options(source, host, base string) Options {
	return Options{Images: hasty, Environ: os.Environ(), Source: source, BaseImage: base, Platform: "linux/amd64", Repository: host + "/team/backstage", Version: "1.0.0", Revision: "abc", SourceURL: "https://example.com/repo"}
}
