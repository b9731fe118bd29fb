package backstage_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/smoke"
)

const page = `<!doctype html><html><head><script type="backstage.io/config">
[{"context":"app","data":{}}]
</script><script defer="defer" src="/static/main.js"></script></head><body><div id="root"></div></body></html>`

type reply struct {
	status            int
	contentType, body string
}

// portal answers as a Backstage 1.55 backend does, with changes.
func portal(change map[string]reply) http.HandlerFunc {
	replies := map[string]reply{
		"/.backstage/health/v1/readiness":           {200, "application/json; charset=utf-8", `{"status":"ok"}`},
		"/static/main.js":                           {200, "application/javascript; charset=UTF-8", "x"},
		"/api/catalog/.backstage/auth/v1/jwks.json": {200, "application/json; charset=utf-8", `{"keys":[]}`},
		"/api/catalog/entities":                     {401, "application/json; charset=utf-8", `{"error":{"name":"AuthenticationError","message":"Missing credentials"}}`},
		"/api/there-is-no-such-plugin":              {404, "", ""},
	}
	for path, r := range change {
		replies[path] = r
	}
	return func(w http.ResponseWriter, request *http.Request) {
		r, found := replies[request.URL.Path]
		if !found {
			r = reply{200, "text/html; charset=utf-8", page} // the fallback of the app plugin
		}
		w.Header().Set("Content-Type", r.contentType)
		w.WriteHeader(r.status)
		fmt.Fprint(w, r.body)
	}
}

func TestThePresetTellsAHealthyPortalFromABrokenOne(t *testing.T) {
	html := reply{200, "text/html; charset=utf-8", page}
	cases := map[string]struct {
		change map[string]reply
		failed string // the check that must fail
	}{
		"healthy":                         {nil, ""},
		"alive, but a plugin failed":      {map[string]reply{"/.backstage/health/v1/readiness": {503, "application/json", `{"status":"error"}`}}, "readiness"},
		"the page in place of readiness":  {map[string]reply{"/.backstage/health/v1/readiness": html}, "readiness"},
		"a page without configuration":    {map[string]reply{"/": {200, "text/html", "<div id=\"root\">"}}, "page"},
		"a missing asset":                 {map[string]reply{"/static/main.js": {404, "", ""}}, "page"},
		"the plugin's database is gone":   {map[string]reply{"/api/catalog/.backstage/auth/v1/jwks.json": {500, "application/json", "{}"}}, "catalog keys"},
		"authentication is off":           {map[string]reply{"/api/catalog/entities": {200, "application/json", "[]"}}, "catalog without a token"},
		"the catalog has not started":     {map[string]reply{"/api/catalog/entities": {503, "application/json", "{}"}}, "catalog without a token"},
		"somebody else answers for /api/": {map[string]reply{"/api/there-is-no-such-plugin": html}, "unknown API"},
	}
	document, err := yaml.YAMLToJSONStrict(backstage.SmokeYAML())
	require.NoError(t, err)
	suite, err := smoke.Parse(document)
	require.NoError(t, err)
	suite.Interval, suite.Attempts = 1, suite.Consecutive
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(portal(c.change))
			defer server.Close()
			for _, result := range smoke.Run(t.Context(), suite, smoke.Target{Name: "x", BaseURL: server.URL}, nil) {
				require.Equal(t, result.Name == c.failed, result.Result == "failed", "%s: %s", result.Name, result.Detail)
			}
		})
	}
}

func TestLogPatternsMatchTheLinesThatBackendsWrite(t *testing.T) {
	lines := []string{
		`{"level":"error","message":"Plugin 'app' threw an error during startup, waiting for 1 other plugins to finish before shutting down the process."}`,
		`{"message":"Unhandled rejection Backend startup failed due to the following errors:\n  Plugin 'app' startup failed","name":"BackendStartupError"}`,
		`{"level":"error","message":"Plugin 'catalog' threw an error during startup. Plugin 'catalog' startup failed; caused by Error: …"}`,
		`{"level":"error","message":"Module github in Plugin 'catalog' threw an error during startup, waiting for 2 other plugins to finish before shutting down the process."}`,
		`Error: The migration directory is corrupt, the following files are missing: 20260214000000_search_fk_final_entities.js`,
	}
	races := []string{
		`{"level":"error","message":"Plugin 'catalog' threw an error during startup. Migration table is already locked"}`,
		`{"message":"Plugin 'app' threw an error during startup, waiting for 1 other plugins to finish before shutting down the process. create table \\"x\\" - duplicate key value violates unique constraint \\"pg_type_typname_nsp_index\\""}`,
		`{"message":"Plugin 'app' threw an error during startup. relation \\"backstage_backend_tasks__knex_migrations\\" already exists"}`,
	}
	matched := func(patterns []string, line string) bool {
		for _, p := range patterns {
			if regexp.MustCompile(p).MatchString(line) {
				return true
			}
		}
		return false
	}
	for _, line := range lines {
		require.True(t, matched(backstage.LogPatterns(), line), line)
		require.False(t, matched(backstage.PassingPatterns(), line), line)
	}
	for _, line := range races {
		require.True(t, matched(backstage.LogPatterns(), line), line)
		require.True(t, matched(backstage.PassingPatterns(), line), line)
	}
	for _, line := range []string{
		`{"message":"Plugin initialization complete, newly initialized: 'app', 'catalog'"}`,
		`{"level":"error","message":"Plugin 'search' threw an error during startup, but boot failure is permitted for this plugin so startup will continue."}`,
		`{"message":"Plugin initialization in progress, still initializing: 'catalog'"}`,
	} {
		require.False(t, matched(backstage.LogPatterns(), line), line)
	}
}
