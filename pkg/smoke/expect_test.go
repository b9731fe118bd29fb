package smoke

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
	"github.com/stagecrew/stagecrew/pkg/smoke/shown"
)

// run sends one check, asked once, to a handler.
func run(t *testing.T, handler http.HandlerFunc, c checks.Check) record.Check {
	t.Helper()
	return runSuite(t, handler, checks.Suite{Attempts: 1, Checks: []checks.Check{c}})
}

func runSuite(t *testing.T, handler http.HandlerFunc, s checks.Suite) record.Check {
	t.Helper()
	s.Interval = time.Millisecond
	results := Run(t.Context(), s, serve(t, handler), nil)
	require.Len(t, results, 1)
	require.Equal(t, "Pod/a", results[0].Target)
	return results[0]
}

// serve is a target that a handler answers for.
func serve(t *testing.T, handler http.HandlerFunc) Target {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return Target{Name: "Pod/a", BaseURL: server.URL}
}

func reply(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func TestWhatAnAnswerMustBe(t *testing.T) {
	ok := reply(200, "application/json; charset=utf-8", `{"status":"ok","items":[{"kind":"API","n":2}],"a.b":{"c":null},"id":9007199254740993}`)
	long := reply(200, "text/plain", strings.Repeat("x", expect.MaxBody)+"end")
	slow := func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }
	redirect := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }
	cookies := func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1", "sid=2; HttpOnly"}
		w.Header().Set("X-Empty", "")
	}
	json := func(path string, value any) expect.All { return expect.All{expect.JSON{path: value}} }
	header := func(name, pattern string) expect.All { return expect.All{expect.Headers{name: pattern}} }
	cases := map[string]struct {
		handler http.HandlerFunc
		expect  expect.All
		detail  string // "" when it must pass
	}{
		"status 200 is the default":        {ok, expect.All{}, ""},
		"201 is not 200":                   {reply(201, "", ""), expect.All{}, "status 201, should be 200"},
		"another status":                   {reply(503, "", "starting"), expect.All{}, "status 503, should be 200: starting"},
		"an expected refusal":              {reply(401, "", ""), expect.All{expect.Status{"401"}}, ""},
		"one of several":                   {reply(404, "", ""), expect.All{expect.Status{"401", "404"}}, ""},
		"none of several":                  {reply(500, "", ""), expect.All{expect.Status{"401", "2xx"}}, "status 500, should be 401 or 2xx"},
		"one of a class":                   {reply(204, "", ""), expect.All{expect.Status{"2xx"}}, ""},
		"429 where it is wanted":           {reply(429, "", ""), expect.All{expect.Status{"4xx"}}, ""},
		"a page of one line ends with one": {reply(503, "", "no available server\n"), expect.All{}, "status 503, should be 200: no available server"}, // as Traefik says it
		"a redirect is an answer":          {redirect, expect.All{}, "status 302 to /login, should be 200"},
		"content type":                     {ok, expect.All{expect.ContentType("application/json")}, ""},
		"content type in other letters":    {reply(200, "Text/HTML;charset=UTF-8", ""), expect.All{expect.ContentType("text/html; charset=utf-8")}, ""},
		"another charset":                  {reply(200, "text/html; charset=latin1", ""), expect.All{expect.ContentType("text/html; charset=utf-8")}, `content type "text/html; charset=latin1", should be "text/html; charset=utf-8"`},
		"a longer content type":            {reply(200, "application/json-seq", ""), expect.All{expect.ContentType("application/json")}, "should be"},
		"the HTML fallback is not JSON":    {reply(200, "text/html", "<html>"), expect.All{expect.ContentType("application/json")}, `content type "text/html", should be "application/json"`},
		"JSON value":                       {ok, expect.All{expect.JSON{"status": "ok", "items.0.n": 2.0}}, ""},
		"another JSON value":               {ok, json("status", "up"), `"status" is "ok", should be "up"`},
		"a JSON object":                    {ok, json("items.0", map[string]any{"n": 2, "kind": "API"}), ""},
		"a JSON list":                      {ok, json("items", []any{map[string]any{"n": 2, "kind": "API"}}), ""},
		"a shorter JSON list":              {ok, json("items", []any{}), "should be []"},
		"null":                             {ok, json(`a\.b.c`, nil), ""},
		"null is not absent":               {ok, json(`a\.b.d`, nil), `the body has nothing at "a\.b.d"`},
		"a token":                          {reply(200, "", `{"accessToken":"hunter2"}`), json("accessToken", "x"), `"accessToken" is not what it should be`},
		"a number is no text":              {ok, json("items.0.n", "2"), `"items.0.n" is 2, should be "2"`},
		"large numbers differ":             {ok, json("id", int64(9007199254740992)), `"id" is 9007199254740993, should be 9007199254740992`},
		"a JSON path that is not there":    {ok, json("items.3.kind", "API"), `the body has nothing at "items.3.kind"`},
		"a JSON path through a text":       {ok, json("status.x", "API"), `the body has nothing at "status.x"`},
		"a negative index":                 {ok, json("items.-1", 1), "nothing at"},
		"not JSON at all":                  {reply(200, "", "<html>"), json("a", 1.0), "the body is not JSON: <html>"},
		"two JSON values":                  {reply(200, "", "{}{}"), json("a", 1.0), "the body is not JSON"},
		"no body":                          {reply(200, "", ""), json("a", 1.0), "the body is not JSON"},
		"JSON that is too long to read":    {reply(200, "", "["+strings.Repeat("1,", expect.MaxBody)+"1]"), json("0", 1.0), "the body is longer than 1048576 bytes"},
		"body":                             {ok, expect.All{expect.BodyRegex{`"kind":"API"`, "^{"}}, ""},
		"another body":                     {ok, expect.All{expect.BodyRegex{"status", "nothing"}}, `the body does not match "nothing"`},
		"a body that must not be":          {ok, expect.All{expect.BodyNotRegex{"nothing", "status"}}, `the body matches "status", which it must not`},
		"the end of a long body":           {long, expect.All{expect.BodyRegex{"end"}}, `the body does not match "end"`},
		"the beginning of a long body":     {long, expect.All{expect.BodyRegex{"^x"}}, ""},
		"a header":                         {ok, header("Content-Type", "charset=utf-8$"), ""},
		"another header":                   {ok, header("content-type", "^text/"), `header content-type is "application/json; charset=utf-8", should match "^text/"`},
		"an absent header":                 {ok, header("X-Frame-Options", ".*"), "there is no header X-Frame-Options"},
		"an empty header is there":         {cookies, header("X-Empty", "^$"), ""},
		"the second of two headers":        {cookies, header("Set-Cookie", "HttpOnly"), ""},
		"neither of two headers":           {cookies, header("Set-Cookie", "Secure"), `header Set-Cookie is ***, should match "Secure"`},
		"fast enough":                      {slow, expect.All{expect.MaxLatency(5 * time.Second)}, ""},
		"too slow":                         {slow, expect.All{expect.MaxLatency(15 * time.Millisecond)}, "ms, should take at most 15ms"},
		"control characters are visible":   {reply(500, "", "a\n::error::b\x1b[0m\u202e"), expect.All{}, `status 500, should be 200: a\n::error::b\x1b[0m\u202e`},
		"text that is not UTF-8":           {reply(500, "", "a\xff\xfeb"), expect.All{}, `status 500, should be 200: a?b`},
		"an endless word":                  {reply(500, "", strings.Repeat("é", 5000)), expect.All{}, "é…"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := run(t, c.handler, checks.Check{Name: "n", Path: "/", All: c.expect})
			require.LessOrEqual(t, len([]rune(got.Detail)), shown.MaxDetail+1)
			if c.detail == "" {
				require.Equal(t, record.CheckPassed, got.Result, got.Detail)
				return
			}
			require.Equal(t, record.CheckFailed, got.Result)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}

func TestParsedNumbersCompareAsNumbers(t *testing.T) {
	suite, err := checks.Parse([]byte(`{"attempts":1,"checks":[{"name":"a","path":"/","expect":{"json":{"n":2,"list.0":1.5,"deep":{"x":[1]},"none":null}}}]}`))
	require.NoError(t, err)
	require.Equal(t, record.CheckPassed, runSuite(t, reply(200, "", `{"n":2.0,"list":[1.5],"deep":{"x":[1]},"none":null}`), suite).Result)
}
