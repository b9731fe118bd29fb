package backstage_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/smoke"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
)

const page = `<!doctype html><html><head><title>Portal</title><script type="backstage.io/config">
[{"context":"app","data":{}}]
</script><script defer="defer" src="/static/main.js"></script></head><body><div id="root"></div></body></html>`

const token = "smoke-token-0123456789"

type reply struct {
	status            int
	contentType, body string
}

// portal answers as a Backstage 1.55 backend does, with changes.
func portal(change map[string]reply) http.HandlerFunc {
	keys := reply{200, "application/json; charset=utf-8", `{"keys":[]}`}
	refusal := reply{401, "application/json; charset=utf-8", `{"error":{"name":"AuthenticationError","message":"Missing credentials"},"response":{"statusCode":401}}`}
	replies := map[string]reply{
		"/.backstage/health/v1/readiness":           {200, "application/json; charset=utf-8", `{"status":"ok"}`},
		"/static/main.js":                           {200, "application/javascript; charset=UTF-8", "x"},
		"/api/app/.backstage/auth/v1/jwks.json":     keys,
		"/api/catalog/.backstage/auth/v1/jwks.json": keys,
		"/api/catalog/entities":                     refusal,
		"/api/catalog/entities/by-query":            {200, "application/json; charset=utf-8", `{"items":[{"kind":"API"}],"totalItems":7,"pageInfo":{}}`},
	}
	for path, r := range change {
		replies[path] = r
	}
	return func(w http.ResponseWriter, request *http.Request) {
		r, found := replies[request.URL.Path]
		switch {
		case !found && strings.HasPrefix(request.URL.Path, "/api/"):
			r = reply{404, "", ""}
		case !found:
			r = reply{200, "text/html; charset=utf-8", page} // the fallback of the app plugin
		case strings.HasSuffix(request.URL.Path, "/by-query") && request.Header.Get("Authorization") != "Bearer "+token:
			r = refusal
		}
		w.Header().Set("Content-Type", r.contentType)
		w.WriteHeader(r.status)
		fmt.Fprint(w, r.body)
	}
}

// results asks the preset of a handler and maps the names of its checks to their results.
func results(t *testing.T, handler http.Handler, environment map[string]string) map[string]string {
	t.Helper()
	document, err := yaml.YAMLToJSONStrict(backstage.SmokeYAML())
	require.NoError(t, err)
	suite, err := checks.Parse(document)
	require.NoError(t, err)
	suite, err = suite.Expand(func(name string) (string, bool) { return environment[name], environment[name] != "" })
	require.NoError(t, err)
	suite.Interval, suite.Attempts = 1, suite.Consecutive
	server := httptest.NewServer(handler)
	defer server.Close()
	found := map[string]string{}
	for _, result := range smoke.Run(t.Context(), suite, smoke.Target{Name: "x", BaseURL: server.URL}, nil) {
		found[result.Name] = string(result.Result)
		t.Log(result.Name, result.Result, result.Detail)
	}
	return found
}

// withToken is the environment of a run that may read the catalog.
var withToken = map[string]string{"BACKSTAGE_SMOKE_TOKEN": token}

func TestSmokeYAML_TellsAHealthyPortalFromABrokenOne(t *testing.T) {
	html := reply{200, "text/html; charset=utf-8", page}
	cases := map[string]struct {
		change map[string]reply
		failed string // the check that must fail
	}{
		"healthy":                           {nil, ""},
		"alive, but a plugin failed":        {map[string]reply{"/.backstage/health/v1/readiness": {503, "application/json", `{"status":"error"}`}}, "readiness"},
		"the page in place of readiness":    {map[string]reply{"/.backstage/health/v1/readiness": html}, "readiness"},
		"a page without configuration":      {map[string]reply{"/": {200, "text/html", `<title>x</title><div id="root"><script src="/static/main.js"></script>`}}, "page"},
		"a page without a title":            {map[string]reply{"/": {200, "text/html", strings.Replace(page, "Portal", " ", 1)}}, "page"},
		"a template that nobody filled in":  {map[string]reply{"/": {200, "text/html", strings.Replace(page, "Portal", "<%= config.getString('app.title') %>", 1)}}, "page"},
		"a missing asset":                   {map[string]reply{"/static/main.js": {404, "", ""}}, "page"},
		"the page in place of an asset":     {map[string]reply{"/static/main.js": html}, "page"},
		"the plugin's database is gone":     {map[string]reply{"/api/catalog/.backstage/auth/v1/jwks.json": {500, "application/json", "{}"}}, "catalog keys"},
		"the app's database is gone":        {map[string]reply{"/api/app/.backstage/auth/v1/jwks.json": {500, "application/json", "{}"}}, "app keys"},
		"authentication is off":             {map[string]reply{"/api/catalog/entities": {200, "application/json", "[]"}}, "catalog without a token"},
		"the catalog has not started":       {map[string]reply{"/api/catalog/entities": {503, "application/json", "{}"}}, "catalog without a token"},
		"the catalog cannot read":           {map[string]reply{"/api/catalog/entities/by-query": {500, "application/json", "{}"}}, "catalog with a token"},
		"the token is refused":              {map[string]reply{"/api/catalog/entities/by-query": {401, "application/json", "{}"}}, "catalog with a token"},
		"the page answers for /api/":        {map[string]reply{"/api/there-is-no-such-plugin": html}, "unknown API"},
		"the page answers with 404 instead": {map[string]reply{"/api/there-is-no-such-plugin": {404, "text/html", page}}, "unknown API"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := results(t, portal(c.change), withToken)
			require.Len(t, got, 7)
			for check, result := range got {
				require.Equal(t, check == c.failed, result == "failed", "%s: %s", check, result)
			}
		})
	}
}

func TestSmokeYAML_WorksWithoutAToken(t *testing.T) {
	got := results(t, portal(nil), nil)
	require.NotContains(t, got, "catalog with a token")
	require.Len(t, got, 6)
}

func TestSmokeYAML_ThePluginsCanBeNamed(t *testing.T) {
	got := results(t, portal(nil), map[string]string{"BACKSTAGE_SMOKE_PLUGINS": "catalog, scaffolder"})
	require.Equal(t, []string{"passed", "failed"}, []string{got["catalog keys"], got["scaffolder keys"]})
	require.NotContains(t, got, "app keys")
}

func TestSmokeYAML_HoldsForTheExample(t *testing.T) {
	const dist = "../../examples/minimal/packages/app/dist"
	template, err := os.ReadFile(dist + "/index.html.tmpl")
	require.NoError(t, err)
	// What the app plugin makes of the template.
	filled := strings.NewReplacer("<%= publicPath %>", "", "<%= config.getOptionalString('app.title') ?? 'Backstage' %>", "Stagecrew Portal",
		"</head>", "<script type=\"backstage.io/config\">\n[]\n</script>\n</head>").Replace(string(template))
	require.NotContains(t, filled, "<%=")
	mux := http.NewServeMux()
	mux.Handle("/", portal(map[string]reply{"/": {200, "text/html; charset=utf-8", filled}}))
	mux.Handle("/static/", http.FileServer(http.Dir(dist)))
	for check, result := range results(t, mux, withToken) {
		require.Equal(t, "passed", result, check)
	}
}

func TestLogPatterns_MatchTheLinesThatBackendsWrite(t *testing.T) {
	lines := []string{
		`{"level":"error","message":"Plugin 'app' threw an error during startup, waiting for 1 other plugins to finish before shutting down the process."}`,
		`{"message":"Unhandled rejection Backend startup failed due to the following errors:\n  Plugin 'app' startup failed","name":"BackendStartupError"}`,
		`{"level":"error","message":"Plugin 'catalog' threw an error during startup. Plugin 'catalog' startup failed; caused by Error: …"}`,
		`{"level":"error","message":"Module github in Plugin 'catalog' threw an error during startup, waiting for 2 other plugins to finish before shutting down the process."}`,
		`Error: The migration directory is corrupt, the following files are missing: 20260214000000_search_fk_final_entities.js`,
	}
	races := []string{
		`Can't take lock to run migrations: Migration table is already locked`,
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
