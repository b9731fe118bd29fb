package smoke

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// run sends one check, asked once, to a handler.
func run(t *testing.T, handler http.HandlerFunc, c Check) pipeline.Check {
	t.Helper()
	return runSuite(t, handler, Suite{Attempts: 1, Checks: []Check{c}})
}

func runSuite(t *testing.T, handler http.HandlerFunc, s Suite) pipeline.Check {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	s.Interval = Duration(time.Millisecond)
	results := Run(t.Context(), s, Target{Name: "Pod/a", BaseURL: server.URL, Transport: server.Client().Transport}, nil)
	require.Len(t, results, 1)
	require.Equal(t, "Pod/a", results[0].Target)
	return results[0]
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func TestWhatAnAnswerMustBe(t *testing.T) {
	ok := answer(200, "application/json; charset=utf-8", `{"status":"ok","items":[{"kind":"API","n":2}]}`)
	cases := map[string]struct {
		handler http.HandlerFunc
		expect  Expect
		detail  string // "" when it must pass
	}{
		"status 200 is the default":      {ok, Expect{}, ""},
		"another status":                 {answer(503, "", "starting"), Expect{}, "status 503, should be 200: starting"},
		"an expected refusal":            {answer(401, "", ""), Expect{Status: 401}, ""},
		"a redirect is an answer":        {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }, Expect{}, "status 302, should be 200"},
		"content type":                   {ok, Expect{ContentType: "application/json"}, ""},
		"the HTML fallback is not JSON":  {answer(200, "text/html", "<html>"), Expect{ContentType: "application/json"}, `content type "text/html", should begin with "application/json"`},
		"JSON value":                     {ok, Expect{JSON: map[string]any{"status": "ok", "items.0.n": 2.0}}, ""},
		"another JSON value":             {ok, Expect{JSON: map[string]any{"status": "up"}}, `"status" is ok, should be up`},
		"a JSON path that is not there":  {ok, Expect{JSON: map[string]any{"items.3.kind": "API"}}, `the body has no "items.3.kind"`},
		"not JSON at all":                {answer(200, "", "<html>"), Expect{JSON: map[string]any{"a": 1.0}}, "the body is not JSON: <html>"},
		"body":                           {ok, Expect{BodyRegex: `"kind":"API"`}, ""},
		"another body":                   {ok, Expect{BodyRegex: "nothing"}, `the body does not match "nothing"`},
		"a body that must not be":        {ok, Expect{BodyNotRegex: "status"}, "which it must not"},
		"a header":                       {ok, Expect{Headers: map[string]string{"Content-Type": "charset=utf-8$"}}, ""},
		"another header":                 {ok, Expect{Headers: map[string]string{"X-Frame-Options": "DENY"}}, `header X-Frame-Options is "", should match "DENY"`},
		"an absent header":               {ok, Expect{Headers: map[string]string{"X-Frame-Options": ".*"}}, `header X-Frame-Options is ""`},
		"too slow":                       {func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }, Expect{MaxLatency: Duration(time.Millisecond)}, "should take at most 1ms"},
		"control characters are visible": {answer(500, "", "a\n::error::b\x1b[0m"), Expect{}, `status 500, should be 200: a\n::error::b\x1b[0m`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := run(t, c.handler, Check{Name: "n", Path: "/", Expect: c.expect})
			if c.detail == "" {
				require.Equal(t, "passed", got.Result, got.Detail)
				return
			}
			require.Equal(t, "failed", got.Result)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}

func TestAssetsOfAPage(t *testing.T) {
	const page = `<html><head><link rel="stylesheet" href="/static/main.css"><link rel="icon" href="/none.ico">
<script defer="defer" src="static/main.js?v=1&amp;w=2"></script><script src="https://elsewhere.test/x.js"></script></head></html>`
	site := func(change map[string]http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			pages := map[string]http.HandlerFunc{
				"/": answer(200, "text/html", page), "/static/main.css": answer(200, "text/css", "x"), "/static/main.js?v=1&w=2": answer(200, "application/javascript; charset=UTF-8", "x"),
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
		"the HTML fallback in place of one": {map[string]http.HandlerFunc{"/static/main.js?v=1&w=2": answer(200, "text/html", page)}, `content type "text/html", should be of javascript`},
		"one is empty":                      {map[string]http.HandlerFunc{"/static/main.css": answer(200, "text/css", "")}, "it is empty"},
		"a page without any":                {map[string]http.HandlerFunc{"/": answer(200, "text/html", "<html>")}, "no scripts or style sheets"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := run(t, site(c.change), Check{Name: "page", Path: "/", Assets: true})
			require.Contains(t, got.Detail, c.detail)
			require.Equal(t, c.detail == "", got.Result == "passed", got.Detail)
		})
	}
}

func TestAPassMustLast(t *testing.T) {
	flapping := func(good func(n int) bool) http.HandlerFunc {
		n := 0
		return func(w http.ResponseWriter, _ *http.Request) {
			n++
			if !good(n) {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
	}
	suite := Suite{Consecutive: 3, Attempts: 6, Checks: []Check{{Name: "n", Path: "/"}}}
	require.Equal(t, "passed", runSuite(t, flapping(func(n int) bool { return n > 3 }), suite).Result, "three in a row at last")
	got := runSuite(t, flapping(func(n int) bool { return n%3 != 0 }), suite)
	require.Equal(t, "failed", got.Result, "never three in a row")
}

func TestCredentialsDoNotShow(t *testing.T) {
	got := run(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "you sent ", r.Header.Get("Authorization"))
	}, Check{Name: "n", Path: "/", Headers: map[string]string{"Authorization": "Bearer hunter2"}})
	require.Equal(t, "status 500, should be 200: you sent ***", got.Detail)
}

func TestAnEndlessAnswerIsCut(t *testing.T) {
	got := run(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for range 3000 {
			if _, err := w.Write(make([]byte, 1024)); err != nil {
				return
			}
		}
	}, Check{Name: "n", Path: "/"})
	require.Less(t, len(got.Detail), 1000)
}

func TestARunThatIsCutShortIsInconclusive(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := Run(ctx, Suite{Checks: []Check{{Name: "n", Path: "/"}}}, Target{Name: "x", BaseURL: "http://127.0.0.1:1"}, nil)
	require.Equal(t, "inconclusive", got[0].Result)
}

func TestBadSuitesSayWhatAndWhere(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"not JSON":          {"{", "smoke checks: "},
		"an unknown key":    {`{"check": []}`, `unknown field "check"`},
		"no checks":         {`{}`, "there is none"},
		"a check no name":   {`{"checks":[{"path":"/"}]}`, "check number 1: name: it needs one"},
		"a name twice":      {`{"checks":[{"name":"a","path":"/"},{"name":"a","path":"/"}]}`, `check "a": name: it is given twice`},
		"a relative path":   {`{"checks":[{"name":"a","path":"x"}]}`, `check "a": path: "x" does not begin with "/"`},
		"a method":          {`{"checks":[{"name":"a","path":"/","method":"DELETE"}]}`, `method: "DELETE"; allowed are GET, HEAD, POST, OPTIONS`},
		"a status":          {`{"checks":[{"name":"a","path":"/","expect":{"status":99}}]}`, "expect.status: 99; allowed are 100 to 599"},
		"a pattern":         {`{"checks":[{"name":"a","path":"/","expect":{"bodyRegex":"("}}]}`, "expect.bodyRegex: error parsing regexp"},
		"a duration":        {`{"timeout":5,"checks":[]}`, `want a duration such as "5s", got 5`},
		"too few attempts":  {`{"attempts":2,"consecutive":3,"checks":[{"name":"a","path":"/"}]}`, "attempts is 2, consecutive is 3"},
		"a header's regexp": {`{"checks":[{"name":"a","path":"/","expect":{"headers":{"X":"["}}}]}`, "expect.headers.X: "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := Parse([]byte(`{"checks":[{"name":"a","path":"x"},{"path":"/"}]}`))
	require.ErrorContains(t, err, `check "a": path`)
	require.ErrorContains(t, err, "check number 2: name", "all problems at once")
}
