package smoke

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// broken is a transport that never gets through.
type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestOnlyWhatTheApplicationDidCountsAgainstIt(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cases := map[string]struct {
		handler http.HandlerFunc
		target  Target
		check   Check
		result  string
		detail  string
	}{
		"a pod that refuses":                 {nil, Target{Transport: broken{refused}}, Check{}, "failed", "connection refused"},
		"a public address that refuses":      {nil, Target{Transport: broken{refused}, Outside: true}, Check{}, "inconclusive", "connection refused"},
		"a public address with a bad answer": {answer(502, "", "gateway"), Target{Outside: true}, Check{}, "failed", "status 502"},
		"a pod that never answers":           {hang, Target{}, Check{}, "failed", "no answer in time"},
		"the cluster is out of reach":        {nil, Target{Transport: broken{pipeline.Unavailable("kube/unreachable", "no API server")}}, Check{}, "inconclusive", "no API server"},
		"too many requests":                  {answer(429, "", ""), Target{}, Check{}, "inconclusive", "429"},
		"429 where it is wanted":             {answer(429, "", ""), Target{}, Check{Expect: Expect{Status: 429}}, "passed", ""},
		"a token that nobody filled in":      {answer(401, "", ""), Target{}, Check{Headers: map[string]string{"Authorization": "Bearer ${TOKEN}"}}, "inconclusive", "${TOKEN} was not filled in"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.handler != nil {
				server := httptest.NewServer(c.handler)
				defer server.Close()
				c.target.BaseURL = server.URL
			} else {
				c.target.BaseURL = "http://target.invalid"
			}
			c.check.Name, c.check.Path = "n", "/"
			suite := Suite{Attempts: 2, Interval: 1, Timeout: Duration(50 * time.Millisecond), Checks: []Check{c.check}}
			if c.result == "passed" {
				suite.Timeout = 0
			}
			got := Run(t.Context(), suite, c.target, nil)[0]
			require.Equal(t, c.result, got.Result, got.Detail)
			require.Contains(t, got.Detail, c.detail)
		})
	}
}

func TestTheBudgetEndsACheckAndTheLastWholeAnswerCounts(t *testing.T) {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	handler := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-first:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			<-r.Context().Done()
		}
	}
	got := runSuite(t, handler, Suite{Attempts: 1000, Budget: Duration(300 * time.Millisecond), Checks: []Check{{Name: "n", Path: "/"}}})
	require.Equal(t, "failed", got.Result)
	require.Contains(t, got.Detail, "status 503, should be 200")
}

func TestResultsKeepTheOrderOfTheSuite(t *testing.T) {
	server := httptest.NewServer(answer(200, "", ""))
	defer server.Close()
	var checks []Check
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		checks = append(checks, Check{Name: name, Path: "/" + name})
	}
	var got []string
	for _, result := range Run(t.Context(), Suite{Checks: checks}, Target{BaseURL: server.URL}, nil) {
		require.Equal(t, "passed", result.Result)
		got = append(got, result.Name)
	}
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g"}, got)
}

func TestRedirectsAreFollowedWhenToldAndOnTheSameHostOnly(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/near":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/far":
			http.Redirect(w, r, "http://elsewhere.invalid/", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		}
	}
	for path, detail := range map[string]string{"/near": "", "/far": "another host", "/round": "more than 5 times"} {
		got := run(t, handler, Check{Name: "n", Path: path, FollowRedirects: true})
		require.Contains(t, got.Detail, detail)
		require.Equal(t, detail == "", got.Result == "passed", path)
	}
}

func TestWhatABackendTellsStrangersStaysHidden(t *testing.T) {
	got := run(t, answer(500, "", `connect ECONNREFUSED 10.96.3.7:5432 postgres://backstage:hunter2@db/x`), Check{Name: "n", Path: "/"})
	require.Equal(t, "status 500, should be 200: connect ECONNREFUSED [address] postgres://***@db/x", got.Detail)
	got = run(t, answer(403, "", "token s3cret-words is unknown"), Check{Name: "n", Path: "/", Headers: map[string]string{
		"Authorization": "Bearer s3cret-words", "Accept": "application/json",
	}, Expect: Expect{}})
	require.Equal(t, "status 403, should be 200: token *** is unknown", got.Detail)
}

func TestExpandFillsInWhatTheEnvironmentHas(t *testing.T) {
	suite := Suite{Checks: []Check{
		{Name: "a", Path: "/", Headers: map[string]string{"Authorization": "Bearer ${TOKEN}"}, Body: "${TOKEN}"},
		{Name: "b", Path: "/", Headers: map[string]string{"X-Price": "$5 ${}"}},
	}}
	filled, err := suite.Expand(func(name string) (string, bool) { return "value-of-" + name, true })
	require.NoError(t, err)
	require.Equal(t, "Bearer value-of-TOKEN", filled.Checks[0].Headers["Authorization"])
	require.Equal(t, "value-of-TOKEN", filled.Checks[0].Body)
	require.Equal(t, "$5 ${}", filled.Checks[1].Headers["X-Price"])
	require.Equal(t, "Bearer ${TOKEN}", suite.Checks[0].Headers["Authorization"], "the suite itself stays as it is")
	for name, value := range map[string]string{"missing": "", "of two lines": "a\nb"} {
		_, err = suite.Expand(func(string) (string, bool) { return value, true })
		require.ErrorContains(t, err, `check "a": ${TOKEN}: want a value of one line`, name)
		require.NotContains(t, err.Error(), "b\n")
	}
}

func TestParseReportsEveryProblemAtOnce(t *testing.T) {
	_, err := Parse([]byte(`{"consecutiv":1, "interval": "soon", "checks": [
		{"name":"a","path":5,"expect":{"code":200,"status":1.5}}, {"name":"b","path":"/","assets":"yes","headers":{"X":1}}, 7]}`))
	for _, want := range []string{
		`unknown field "consecutiv"; known are consecutive, attempts,`, `interval: want a duration such as "5s", got "soon"`,
		`check "a": path: want a text, got 5`, `check "a": expect.unknown field "code"; known are status,`, `check "a": expect.status: want a whole number, got 1.5`,
		`check "b": assets: want true or false, got "yes"`, `check "b": headers: want an object of texts, got {"X":1}`, `check number 3: want an object, got 7`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = Parse([]byte(`{"checks":[{"name":"a","path":"/"}]} {}`))
	require.ErrorContains(t, err, "more after the first JSON value")
	for text, want := range map[string]string{
		`{"checks":[{"name":"a","path":"/%zz"}]}`:                                           `path: "/%zz" is not a path`,
		`{"checks":[{"name":"a","path":"/#x"}]}`:                                            `path: "/#x" is not a path`,
		`{"checks":[{"name":"a","path":"/","headers":{"a b":"x"}}]}`:                        `headers: "a b" is not`,
		`{"checks":[{"name":"a","path":"/","headers":{"a":"x\ny"}}]}`:                       `headers: "a" is not`,
		`{"checks":[{"name":"a","path":"/","method":"HEAD","assets":true}]}`:                `assets: the answer to HEAD names none`,
		`{"attempts":5000,"checks":[{"name":"a","path":"/"}]}`:                              `attempts: 5000; allowed are 1000`,
		`{"checks":[{"name":"a","path":"/","expect":{"json":{"n":1},"maxLatency":"-1s"}}]}`: `want a duration such as "5s", got "-1s"`,
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, want)
	}
}

func TestParsedNumbersCompareAsNumbers(t *testing.T) {
	suite, err := Parse([]byte(`{"attempts":1,"checks":[{"name":"a","path":"/","expect":{"json":{"n":2,"list.0":1.5,"deep":{"x":[1]},"none":null}}}]}`))
	require.NoError(t, err)
	require.Equal(t, "passed", runSuite(t, answer(200, "", `{"n":2.0,"list":[1.5],"deep":{"x":[1]},"none":null}`), suite).Result)
}

func TestACancelledRunKeepsWhatWasSeen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel()
	}))
	defer server.Close()
	got := Run(ctx, Suite{Checks: []Check{{Name: "n", Path: "/"}}}, Target{BaseURL: server.URL}, nil)[0]
	require.Equal(t, "inconclusive", got.Result)
	require.Contains(t, got.Detail, "the time is up")
}
