package smoke

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
	"github.com/stagecrew/stagecrew/test/needs"
)

// aBrowser is a real one.
var aBrowser = sync.OnceValues(func() (*chromium.Browser, error) {
	b, err := chromium.Find("", slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return b, b.Prove(context.Background(), nil)
})

func browse(t *testing.T) *chromium.Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("browsers take their time")
	}
	b, err := aBrowser()
	needs.Program(t, err)
	return b
}

// site answers by path: a page, a script, or a status.
type site map[string]string

func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, found := s[r.URL.Path]
	status := http.StatusOK
	for line, rest, more := strings.Cut(text, "\n"); more && strings.HasPrefix(line, "> "); line, rest, more = strings.Cut(text, "\n") {
		name, value, isHeader := strings.Cut(line[2:], ": ")
		if text = rest; isHeader {
			w.Header().Set(name, value)
			continue
		}
		_, _ = fmt.Sscan(name, &status)
	}
	switch {
	case !found:
		http.NotFound(w, r)
		return
	case w.Header().Get("Content-Type") != "":
	case strings.HasSuffix(r.URL.Path, ".js"):
		w.Header().Set("Content-Type", "text/javascript")
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// app is a page that a script fills in.
func app(script string) site {
	return site{"/": `<!doctype html><title>Portal</title><div id="root"></div><script defer src="/static/main.js"></script>`, "/static/main.js": script}
}

const fills = `document.getElementById("root").innerHTML = "<main><h1>My Company Catalog</h1></main>";`

// visited opens the root of a site in a browser as a pod's, and gives the check's result.
func visited(t *testing.T, handler http.Handler, b expect.Browser, change func(*Target)) record.Check {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	target := Target{Name: "Pod/x", Kind: record.TargetPod, BaseURL: server.URL, Browser: browse(t)}
	if change != nil {
		change(&target)
	}
	b.Within = cmp.Or(b.Within, time.Minute)
	suite := checks.Suite{Attempts: 1, Consecutive: 1, Budget: 5 * time.Minute, Checks: []checks.Check{{Name: "page", Path: "/", All: expect.All{&b, expect.Status{"2xx"}}}}}
	require.NoError(t, suite.Validate())
	suite, err := suite.Expand(lookIn(nil))
	require.NoError(t, err)
	return Run(t.Context(), suite, target, nil)[0]
}

func TestAPageInABrowser(t *testing.T) {
	for _, c := range []struct {
		name string
		site site
		want expect.Browser
		says string // "" when it passes
	}{
		// backstage/backstage#3279, #23247, #23388: the policy of Helmet's defaults, at a URL without encryption.
		{"a policy that wants encryption where there is none", site{"/": "> Content-Security-Policy: upgrade-insecure-requests\n" + app("")["/"], "/static/main.js": fills}, expect.Browser{As: "http://portal.example.com"}, "the page is blank; script /static/main.js: asked over https, and the page is at http"},
		{"the same policy behind an Ingress", site{"/": "> Content-Security-Policy: upgrade-insecure-requests\n" + app("")["/"], "/static/main.js": fills}, expect.Browser{Selector: "h1"}, ""},
		// backstage/backstage#8705: the policy forbids eval, with which a schema was compiled.
		{"a policy that forbids eval", site{"/": "> Content-Security-Policy: script-src 'self'\n" + app("")["/"], "/static/main.js": `new Function("return 1")(); ` + fills}, expect.Browser{}, "the page is blank; uncaught EvalError"},
		// backstage/backstage#8681, webpack/webpack#7502: a chunk that a later step of the page wants.
		{"a chunk that is gone", app(fills + `import("/static/catalog.chunk.js")`), expect.Browser{Selector: "h1"}, "script /static/catalog.chunk.js: status 404"},
		{"a page that its script fills in", app(fills), expect.Browser{Selector: "main h1", Text: "My  Company\nCatalog"}, ""},
		// exercism/website#2022: a file of the last deploy that is gone.
		{"a bundle that is gone", site{"/": app("")["/"]}, expect.Browser{Selector: "main h1"}, "the page is blank; script /static/main.js: status 404"},
		// replayio/devtools#3174: the page in place of each file, and so of a script.
		{"the page in place of a script", site{"/": app("")["/"], "/static/main.js": "> Content-Type: text/html\n<!doctype html>"}, expect.Browser{}, "the page is blank; script /static/main.js: it is a page, and no script; uncaught SyntaxError: Unexpected token '<' in /static/main.js"},
		{"a bundle that is broken", app("window.x = {"), expect.Browser{}, "the page is blank; uncaught SyntaxError: Unexpected end of input in /static/main.js"},
		{"a router whose base is another path", app(`if (location.pathname.startsWith("/portal")) { ` + fills + ` }`), expect.Browser{Text: "My Company Catalog"}, "the page is blank"},
		{"another page", app(`document.getElementById("root").textContent = "Sign in with your account"`), expect.Browser{Text: "My Company Catalog"}, `the page does not show "My Company Catalog"; it shows "Sign in with your account"`},
		{"an element that is hidden", app(fills + `document.querySelector("h1").style.display = "none"; document.body.append("x")`), expect.Browser{Selector: "h1"}, `the page is blank`},
		{"an error in the console", app(fills + `console.error("Failed to load", new TypeError("x is undefined"), {a: 1})`), expect.Browser{Selector: "h1"}, "console: Failed to load TypeError: x is undefined Object"},
		{"an error that is allowed", app(fills + `console.error("ResizeObserver loop limit exceeded")`), expect.Browser{Selector: "h1", Allow: []string{"^console: ResizeObserver loop"}}, ""},
		{"an exception behind a page that looks well", app(fills + `setTimeout(() => { null.x }, 100)`), expect.Browser{Selector: "h1"}, "uncaught TypeError: Cannot read properties of null (reading 'x') in /static/main.js"},
		{"a promise that nobody catches", app(fills + `Promise.reject(new Error("no plugin"))`), expect.Browser{Selector: "h1"}, "uncaught Error: no plugin"},
		{"an API that is broken", app(fills+`fetch("/api/x").catch(() => {})`).with("/api/x", "> 503\n{}"), expect.Browser{Selector: "h1"}, "xhr /api/x: status 503"},
		{"an API that wants a sign-in", app(fills+`fetch("/api/auth/github/refresh").catch(() => {})`).with("/api/auth/github/refresh", "> 401\n{}"), expect.Browser{Selector: "h1"}, ""},
		{"a picture that is missing", app(fills + `document.body.append(Object.assign(new Image(), {src: "/logo.png"}))`), expect.Browser{Selector: "h1"}, ""},
		// backstage/backstage#8705 is of the same policy.
		{"a script that the page's own policy forbids", site{"/": "> Content-Security-Policy: script-src 'none'\n" + app("")["/"], "/static/main.js": fills}, expect.Browser{}, "the page is blank; console: Loading the script"},
		{"calls of a backend elsewhere", app(`fetch("http://localhost:7007/api/catalog").catch(() => { document.getElementById("root").textContent = "Error" })`), expect.Browser{Text: "Catalog"}, `the page does not show "Catalog"; it shows "Error"; it asks other hosts, which are not allowed: localhost:7007`},
		{"a sign-in elsewhere", app(`location.href = "https://login.example.com/authorize?client_id=1"`), expect.Browser{Selector: "h1"}, "the page leads to another host, login.example.com"},
		{"a page that leads to itself without end", app(`location.href = "/?" + Math.random()`), expect.Browser{Selector: "h1", Within: 15 * time.Second}, "the page is blank"},
		{"a script without end", app(fills + `while (true) {}`), expect.Browser{Selector: "h1"}, "one of its scripts runs without end"},
		{"a dialog", app(`alert("Your session is over"); ` + fills), expect.Browser{Selector: "h1"}, "dialog: Your session is over"},
		{"a download", site{"/": "> Content-Type: application/octet-stream\n> Content-Disposition: attachment; filename=x\nx"}, expect.Browser{}, "the answer is a download, and no page"},
		{"a log without end", app(fills + `setInterval(() => { for (let i = 0; i < 1000; i++) console.log("x".repeat(100000)) }, 10)`), expect.Browser{Selector: "h1"}, ""},
		{"events that do not end", app(fills + `new EventSource("/api/events")`), expect.Browser{Selector: "h1"}, ""},
		{"a socket that nobody takes", app(fills + `new WebSocket("ws://" + location.host + "/api/signals").onerror = () => {}`), expect.Browser{Selector: "h1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := visited(t, c.site, c.want, nil)
			if c.says == "" {
				require.Equal(t, record.CheckPassed, got.Result, got.Detail)
				return
			}
			require.Equal(t, record.CheckFailed, got.Result)
			require.Contains(t, got.Detail, c.says)
		})
	}
}

// with adds a path.
func (s site) with(path, text string) site { s[path] = text; return s }

// recorded answers as a site does and keeps what it was asked.
type recorded struct {
	site
	mu  sync.Mutex
	all map[string]*http.Request
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	q.Body = io.NopCloser(bytes.NewReader(body))
	r.all[q.Method+" "+q.RequestURI] = q
	r.mu.Unlock()
	r.site.ServeHTTP(w, q)
}

func TestWhereThePagesRequestsGo(t *testing.T) {
	fonts := &recorded{site: site{"/font.css": "> Content-Type: text/css\n> Access-Control-Allow-Origin: *\nh1 {}"}, all: map[string]*http.Request{}}
	elsewhere := httptest.NewServer(fonts)
	t.Cleanup(elsewhere.Close)
	host := strings.TrimPrefix(elsewhere.URL, "http://")
	script := `fetch("/portal/api/x?limit=1", {method: "POST", body: "{}", headers: {Authorization: "Bearer of-the-page"}})
		.then(() => fetch("http://` + host + `/font.css")).then(() => { document.getElementById("root").innerHTML = "<h1>all</h1>" })`
	own := &recorded{all: map[string]*http.Request{}, site: site{
		"/": "> Set-Cookie: session=abc; Path=/\n<div id=root></div><script src=/portal/static/main.js></script>", "/static/main.js": script, "/api/x": "> 201\n{}",
	}}
	server := httptest.NewServer(own)
	t.Cleanup(server.Close)
	suite := checks.Suite{Attempts: 1, Budget: 5 * time.Minute, Checks: []checks.Check{{
		Name: "n", Path: "/", Headers: map[string]string{"Authorization": "Bearer of-the-check"},
		All: expect.All{&expect.Browser{Text: "all", Hosts: []string{host}, Within: time.Minute}},
	}}}
	suite, err := suite.Expand(lookIn(nil))
	require.NoError(t, err)
	result := Run(t.Context(), suite, Target{Name: "Pod/x", Kind: record.TargetPod, BaseURL: server.URL, As: "https://portal.example.com/portal", Browser: browse(t)}, nil)[0]
	require.Equal(t, record.CheckPassed, result.Result, result.Detail)
	require.Equal(t, "Bearer of-the-check", own.all["GET /static/main.js"].Header.Get("Authorization"), "the path in front of the pod is the Ingress's")
	posted := own.all["POST /api/x?limit=1"]
	require.Equal(t, "Bearer of-the-page", posted.Header.Get("Authorization"), "what the page says comes first")
	require.Equal(t, "https://portal.example.com", posted.Header.Get("Origin"))
	require.Contains(t, posted.Header.Get("Cookie"), "session=abc")
	body, err := io.ReadAll(posted.Body)
	require.NoError(t, err)
	require.Equal(t, "{}", string(body))
	require.Empty(t, fonts.all["GET /font.css"].Header.Get("Authorization"), "it is no business of others")
}

// puppeteer/puppeteer#2781, #4695, #4208: requests of workers pass the interception by.
func TestAPageReachesNoNetwork(t *testing.T) {
	var reached atomic.Int32
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(secret.Close)
	host := strings.TrimPrefix(secret.URL, "http://")
	tries := `const host = "` + host + `";
		new Image().src = "http://" + host + "/image"; fetch("http://" + host + "/fetch", {mode: "no-cors"}).catch(() => {});
		try { new WebSocket("ws://" + host + "/socket").onerror = () => {} } catch {}
		navigator.sendBeacon("http://" + host + "/beacon", "x");
		const code = "fetch('http://" + host + "/worker', {mode: 'no-cors'}).catch(() => {}).then(() => postMessage(1))";
		const done = () => { document.getElementById("root").textContent = "tried" };
		const worker = new Worker(URL.createObjectURL(new Blob([code]))); worker.onmessage = done; worker.onerror = done;
		new EventSource("http://" + host + "/events"); document.body.append(Object.assign(document.createElement("iframe"), {src: "http://" + host + "/frame"}));`
	got := visited(t, app(tries), expect.Browser{Text: "tried", Allow: []string{"."}}, nil)
	require.Equal(t, record.CheckPassed, got.Result, got.Detail)
	require.Zero(t, reached.Load())
}

func TestWhatABrowserCannotSayIsInconclusive(t *testing.T) {
	closed := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path != "/" {
			return nil, record.Refused("kube/forbidden", "pods/portforward is forbidden")
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	for name, c := range map[string]struct {
		site   site
		change func(*Target)
		says   string
	}{
		"the way to the pod is closed": {app(fills), func(to *Target) { to.Transport = closed }, "pods/portforward is forbidden"},
		"there are too many requests":  {site{"/": app("")["/"], "/static/main.js": "> 429\n> Retry-After: 3600\n"}, nil, "status 429"},
		"there is no browser":          {app(fills), func(to *Target) { to.Browser = nil }, "no browser"},
	} {
		t.Run(name, func(t *testing.T) {
			got := visited(t, c.site, expect.Browser{Selector: "h1"}, func(to *Target) {
				if c.change != nil {
					c.change(to)
				}
			})
			require.Equal(t, record.CheckInconclusive, got.Result, got.Detail)
			require.Contains(t, got.Detail, c.says)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A budget that is over before the browser is there: the machine is busy.
func TestATimeThatIsTooShortForABrowserIsInconclusive(t *testing.T) {
	server := httptest.NewServer(app(""))
	t.Cleanup(server.Close)
	program := filepath.Join(t.TempDir(), "chromium")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 300\n"), 0o755))
	slow, err := chromium.Find(program, nil)
	require.NoError(t, err)
	suite, err := checks.Suite{Attempts: 1, Budget: 3 * time.Second, Checks: []checks.Check{{Name: "page", Path: "/", All: expect.All{&expect.Browser{Within: time.Second}}}}}.Expand(lookIn(nil))
	require.NoError(t, err)
	got := Run(t.Context(), suite, Target{Name: "Pod/x", Kind: record.TargetPod, BaseURL: server.URL, Browser: slow}, nil)[0]
	require.Equal(t, record.CheckInconclusive, got.Result, got.Detail)
}

func TestSecretsInTheConsoleDoNotShow(t *testing.T) {
	got := visited(t, app(fills+`console.error("login failed: Authorization: Bearer abcdef123456, https://joe:hunter2@db:5432/x?token=xyzzy")`), expect.Browser{Selector: "h1"}, nil)
	require.Equal(t, record.CheckFailed, got.Result)
	for _, secret := range []string{"abcdef123456", "hunter2", "xyzzy"} {
		require.NotContains(t, got.Detail, secret)
	}
}

func TestThePictureOfWhatWasSeenIsKept(t *testing.T) {
	var kept []byte
	got := visited(t, app(fills), expect.Browser{Selector: "h1"}, func(to *Target) {
		to.Picture = func(check string, png []byte) string { kept = png; return check + ".png" }
	})
	require.Equal(t, "page.png", got.Picture)
	picture, err := png.DecodeConfig(bytes.NewReader(kept))
	require.NoError(t, err)
	require.Equal(t, 1280, picture.Width)
}
