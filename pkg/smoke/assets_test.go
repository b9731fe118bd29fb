package smoke

import (
	"bufio"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
)

func TestAssetsOfAPage(t *testing.T) {
	const page = `<html><head><link rel="stylesheet" href="/static/main.css"><link rel="icon" href="/none.ico">
<script defer="defer" src="static/main.js?v=1&amp;w=2"></script><script src="https://elsewhere.test/x.js"></script></head></html>`
	site := func(change map[string]http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			pages := map[string]http.HandlerFunc{
				"/": reply(200, "text/html", page), "/static/main.css": reply(200, "text/css", "x"), "/static/main.js?v=1&w=2": reply(200, "application/javascript; charset=UTF-8", "x"),
			}
			for path, handler := range change {
				pages[path] = handler
			}
			if handler := pages[r.URL.RequestURI()]; handler != nil {
				handler(w, r)
				return
			}
			http.NotFound(w, r)
		}
	}
	cases := map[string]struct {
		change map[string]http.HandlerFunc
		detail string
	}{
		"complete":                          {nil, ""},
		"one is missing":                    {map[string]http.HandlerFunc{"/static/main.css": http.NotFound}, "asset /static/main.css: status 404"},
		"the HTML fallback in place of one": {map[string]http.HandlerFunc{"/static/main.js?v=1&w=2": reply(200, "text/html", page)}, `content type "text/html", should be of javascript`},
		"one is empty":                      {map[string]http.HandlerFunc{"/static/main.css": reply(200, "text/css", "")}, "it is empty"},
		"an asset that leads elsewhere":     {map[string]http.HandlerFunc{"/static/main.css": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }}, "asset /static/main.css: status 302"},
		"a page without any":                {map[string]http.HandlerFunc{"/": reply(200, "text/html", "<html>")}, "no scripts or style sheets"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := run(t, site(c.change), checks.Check{Name: "page", Path: "/", Assets: true})
			require.Contains(t, got.Detail, c.detail)
			require.Equal(t, c.detail == "", got.Result == record.CheckPassed, got.Detail)
		})
	}
}

func TestAPageMayHaveManyAssetsButNotAnyNumber(t *testing.T) {
	page := ""
	for i := range maxAssets + 1 {
		page += fmt.Sprintf(`<script src="/x.js?%d"></script>`, i)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			reply(200, "text/html", page)(w, r)
			return
		}
		reply(200, "text/javascript", "x")(w, r)
	}
	got := run(t, handler, checks.Check{Name: "page", Path: "/", Assets: true})
	require.Equal(t, "the page has more than 200 scripts and style sheets", got.Detail)
}

func TestAnAssetThatIsRefusedForTheNumberOfRequestsIsNoMissingOne(t *testing.T) {
	asked := 0
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/":
			reply(200, "text/html", `<script src="/a.js"></script>`)(w, r)
		case asked == 0:
			asked++
			reply(429, "", "")(w, r)
		default:
			reply(200, "text/javascript", "x")(w, r)
		}
	}
	got := run(t, handler, checks.Check{Name: "page", Path: "/", Assets: true})
	require.Equal(t, record.CheckPassed, got.Result, got.Detail)
}

func TestAssetsBelowABaseAndHalfAFile(t *testing.T) {
	half := false
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			reply(200, "text/html", `<base href="/portal/"><script src="a.js"></script><script src="//cdn.invalid/b.js"></script>`)(w, r)
		case "/portal/a.js":
			if !half {
				reply(200, "text/javascript", "run()")(w, r)
				return
			}
			connection, out, err := http.NewResponseController(w).Hijack()
			if err == nil {
				breakOff(out)
				_ = connection.Close()
			}
		}
	}
	require.Equal(t, record.CheckPassed, run(t, handler, checks.Check{Name: "page", Path: "/", Assets: true}).Result)
	half = true
	got := run(t, handler, checks.Check{Name: "page", Path: "/", Assets: true})
	require.Equal(t, record.CheckFailed, got.Result)
	require.Contains(t, got.Detail, "asset /portal/a.js: the answer breaks off after 3 bytes")
}

// breakOff promises ten bytes and sends three.
func breakOff(out *bufio.ReadWriter) {
	_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nContent-Length: 10\r\n\r\nrun")
	_ = out.Flush()
}
