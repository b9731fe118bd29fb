package smoke_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
)

// block is a fenced part of the reference.
type block struct{ kind, text string }

func reference(t *testing.T) (text string, blocks []block) {
	t.Helper()
	content, err := os.ReadFile("../../docs/smoke.md")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile("(?ms)^```([a-z ]+)\n(.*?)^```$").FindAllStringSubmatch(string(content), -1) {
		blocks = append(blocks, block{m[1], m[2]})
	}
	return string(content), blocks
}

func parse(t *testing.T, text string) (checks.Suite, error) {
	t.Helper()
	document, err := yaml.YAMLToJSONStrict([]byte(text))
	require.NoError(t, err)
	return checks.Parse(document)
}

// portal answers what the examples of the reference ask.
func portal(w http.ResponseWriter, r *http.Request) {
	say := func(status int, kind, text string) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
	switch r.URL.Path {
	case "/":
		say(200, "text/html; charset=utf-8", `<script src="/static/main.js"></script>`)
	case "/catalog":
		say(200, "text/html", `<main><h1>My Company Catalog</h1></main>`)
	case "/static/main.js":
		say(200, "application/javascript", "run()")
	case "/.backstage/health/v1/readiness":
		say(200, "application/json", `{"status":"ok"}`)
	case "/api/app/.backstage/auth/v1/jwks.json", "/api/catalog/.backstage/auth/v1/jwks.json":
		say(200, "application/json", `{"keys":[]}`)
	case "/api/auth/github/start":
		http.Redirect(w, r, "https://github.com/login/oauth/authorize?x=y", http.StatusFound)
	case "/api/catalog/entities/by-query":
		w.Header().Set("Cache-Control", "no-store")
		say(200, "application/json", `{"items":[{"kind":"Component","metadata":{"annotations":{"backstage.io/source":"file"}}}],"totalItems":7}`)
	case "/api/catalog/entities":
		if r.Header.Get("Authorization") != "Bearer good" {
			say(401, "application/json", "{}")
			return
		}
		say(200, "application/json", "[]")
	default:
		http.NotFound(w, r)
	}
}

// anyBrowser is nil where there is none.
func anyBrowser(t *testing.T) *chromium.Browser {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := chromium.Find("", log)
	if err != nil || testing.Short() || b.Prove(t.Context(), nil) != nil {
		return nil
	}
	return b
}

func TestTheExamplesOfTheReferenceDoWhatItSays(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(portal))
	defer server.Close()
	_, blocks := reference(t)
	ran, mistakes := 0, ""
	browser := anyBrowser(t)
	for _, b := range blocks {
		suite, err := checks.Suite{}, error(nil)
		if b.kind != "text" {
			suite, err = parse(t, b.text)
		}
		switch b.kind {
		case "yaml":
			require.NoError(t, err)
			suite, err = suite.Expand(func(name string) (string, bool) { return map[string]string{"PORTAL_TOKEN": "good"}[name], true })
			require.NoError(t, err)
			suite.Attempts = suite.Consecutive
			suite.Interval = 1
			if suite.Checks = slices.DeleteFunc(suite.Checks, func(c checks.Check) bool { return browser == nil && c.All.Browser() != nil }); len(suite.Checks) == 0 {
				ran++
			}
			for _, result := range smoke.Run(t.Context(), suite, smoke.Target{BaseURL: server.URL, Browser: browser}, nil) {
				require.Equal(t, record.CheckPassed, result.Result, "%s: %s", result.Name, result.Detail)
				ran++
			}
		case "yaml wrong":
			require.Error(t, err)
			mistakes = err.Error() + "\n"
		case "text":
			require.Equal(t, mistakes, b.text)
		default:
			t.Fatalf("nobody tests a block of kind %q", b.kind)
		}
	}
	require.Equal(t, 9, ran)
	require.NotEmpty(t, mistakes)
}

func TestTheReferenceNamesTheChecksOfThePreset(t *testing.T) {
	text, _ := reference(t)
	suite, err := parse(t, string(backstage.SmokeYAML()))
	require.NoError(t, err)
	for _, c := range suite.Checks {
		require.Contains(t, text, "\n| `"+c.Name+"` |")
	}
	for _, name := range regexp.MustCompile(`BACKSTAGE_[A-Z_]+`).FindAllString(string(backstage.SmokeYAML()), -1) {
		require.Contains(t, text, "\n| `"+name+"` |")
	}
}
