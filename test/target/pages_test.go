package target

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// seen are smoke checks of which all but the last are passed by every page that nobody
// can use, as long as the backend is well.
const seen = `attempts: 4
interval: 500ms
checks:
  - {name: readiness, path: /.backstage/health/v1/readiness, expect: {json: {status: ok}}}
  - {name: page, path: /, expect: {contentType: text/html, bodyRegex: '<div[^>]+id="?root'}}
  - {name: "page, seen", path: /, expect: {browser: {text: The catalog wants a token., as: "https://` + host + `", within: 20s}}}
`

// brokenPage is a release whose pods are well and whose page is not.
type brokenPage struct {
	name string
	// files have another content than in the good release; without any its image is
	// deployed again.
	files map[string]string
	// values are added to those of the good release.
	values string
	// says is part of the cause.
	says string
}

// script is where the example's page has what runs in the browser.
const script = "packages/app/dist/static/main.js"

// brokenPages are of public reports: what visitors see is white or says that nothing could be
// fetched, and every pod is ready (backstage/backstage#15741, #25662, #28181, #5229, #8681, #3817).
func brokenPages(good string) []brokenPage {
	return []brokenPage{
		{name: "the bundle is cut off in its middle", files: map[string]string{script: good[:len(good)/2]}, says: "SyntaxError"},
		{name: "the bundle throws at its start", files: map[string]string{script: "throw new Error('the portal forgot what it is');\n" + good}, says: "the portal forgot what it is"},
		{name: "the bundle loads a chunk that the image does not have", files: map[string]string{script: "import('/static/gone.3f2a.js').then(() => {\n" + good + "\n});\n"}, says: "/static/gone.3f2a.js"},
		{name: "`app.baseUrl` has a path that nobody serves", values: "config: {frontendUrl: https://" + host + "/portal}\n", says: "the page is blank"},
		{name: "`backend.baseUrl` is another host", values: "config: {backendUrl: https://backstage.example.com, frontendUrl: https://" + host + "}\n", says: "backstage.example.com"},
		{name: "a policy of the page (CSP) forbids its own scripts", values: `config: {extra: {APP_CONFIG_backend_csp: '{"script-src": ["''none''"]}'}}` + "\n", says: "the page is blank"},
	}
}

// TestPagesThatNobodyCanUse deploys releases whose pods are all well; the gate opens the
// page as a visitor does, says what is wrong, and takes them back.
func TestPagesThatNobodyCanUse(t *testing.T) {
	s := with(t)
	withBrowser(t)
	g := newSite(t, s, "pages")
	defer g.doc.write(t)
	g.smoke = append(g.smoke, "--smoke", g.write("smoke.yaml", seen))
	one := g.pipeline("1.0.0", g.values("one.yaml", g.reachable()))
	good, err := os.ReadFile(filepath.Join(envtest.Env(t, "E2E_SOURCE"), script))
	require.NoError(t, err)

	g.doc.section("Pages that nobody can use")
	g.doc.line("Every pod of these releases is ready, and every request of a probe or of `curl` is answered with 200. A smoke check with `browser:` opens the page.")
	g.doc.machine(t)
	g.doc.line("")
	g.doc.columns("what is wrong", "exit", "seconds", "cause", "afterwards")
	for i, p := range brokenPages(string(good)) {
		g.refused(p, i, one.record.Image)
	}
}

func (g *site) refused(p brokenPage, i int, good record.Image) {
	g.t.Helper()
	release := "page-" + string(rune('a'+i))
	values := g.values(release+".yaml", g.reachable()+"podAnnotations: {release: "+release+"}\n"+p.values)
	start := time.Now()
	var o outcome
	if p.files == nil {
		o = g.deploy(good, g.chart(), values)
	} else {
		o = g.release("1.1."+string(rune('0'+i)), values, p.files)
	}
	took := time.Since(start)
	require.Equal(g.t, 4, o.exit, "%s\n%s", p.name, o.log)
	require.Equal(g.t, record.VerdictRolledBack, o.record.Verdict, p.name)
	require.Equal(g.t, "smoke/check-failed", o.record.Cause.Code, p.name)
	require.Contains(g.t, o.record.Cause.String(), "page, seen", p.name)
	require.Contains(g.t, o.record.Cause.String(), p.says, p.name)
	served := kubectl(g.t, "get", "--raw", "/api/v1/namespaces/"+namespace+"/services/backstage:http/proxy/static/main.js")
	require.Contains(g.t, served, "The catalog wants a token.", p.name)
	g.doc.row(p.name, "4", seconds(took), o.record.Cause.String(), "rolled back, the page of before is served")
}

// withBrowser skips a test where nobody can look at a page, and fails where it is promised.
func withBrowser(t *testing.T) string {
	t.Helper()
	browser, err := chromium.Find("", slog.New(slog.DiscardHandler))
	if err != nil && os.Getenv("E2E_REQUIRED") != "" {
		require.NoError(t, err)
	}
	if err != nil {
		t.Skip("SKIPPED: " + strings.TrimSpace(err.Error()))
	}
	return browser.Program()
}
