package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

func TestEverythingThatIsWrongIsReportedAtOnce(t *testing.T) {
	const known = "known are status, contentType, headers, bodyRegex, bodyNotRegex, json, maxLatency, browser"
	_, err := Parse([]byte(`{"consecutiv": 1, "interval": "soon", "attempts": 0, "checks": [
		{"name": "a", "path": 5, "expect": {"code": 200, "status": [200, 1.5]}},
		{"name": "b", "path": "x", "assets": "yes", "headers": {"X": 1}, "expect": {"bodyregex": "("}},
		7,
		{"pth": "/", "method": "DELETE", "expect": []},
		{"name": "a", "path": "/", "expect": {"bodyRegex": ["ok", "("], "json": {"a..b": 1}}}]}`))
	require.EqualError(t, err, strings.Join([]string{
		`attempts: want a whole number above 0, got 0`,
		`interval: want a duration such as "5s", got "soon"`,
		`unknown field "consecutiv"; did you mean "consecutive"? known are consecutive, attempts, interval, timeout, budget, checks`,
		`check "a": path: want a text, got 5`,
		`check "a": expect: unknown field "code"; ` + known,
		`check "a": expect.status: 1.5; allowed are 100 to 599 and classes such as 2xx`,
		`check "b": headers: want an object of texts, got {"X":1}`,
		`check "b": assets: want true or false, got "yes"`,
		`check "b": expect: unknown field "bodyregex"; did you mean "bodyRegex"? ` + known,
		`check "b": path: "x" does not begin with "/"`,
		`check number 3: want an object, got 7`,
		`check number 4: expect: want an object, got []`,
		`check number 4: unknown field "pth"; did you mean "path"? known are name, method, path, each, headers, body, optional, assets, followRedirects, expect`,
		`check number 4: name: it needs one`,
		`check number 4: method: "DELETE"; allowed are GET, HEAD, POST, OPTIONS`,
		`check "a": name: it is given twice`,
		`check "a": expect.bodyRegex: error parsing regexp: missing closing ): ` + "`(`",
		`check "a": expect.json: "a..b" is not keys with dots between them`,
	}, "\n"))
}

// A suite of a thousand mistakes: the first are told, and how many follow.
func TestOfManyMistakesTheFirstAreTold(t *testing.T) {
	_, err := Parse([]byte(`{"checks":[{"name":"a","path":"/","expect":{"headers":{"X":"["}}}` + strings.Repeat(`,{"pth":"/"}`, 99) + `]}`))
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, record.MaxProblems+1)
	require.Regexp(t, `^and [0-9]+ more of this kind`, lines[record.MaxProblems])
}

func TestWhatASuiteMayNotBe(t *testing.T) {
	check := func(fields string) string { return `{"checks":[{"name":"a","path":"/"` + fields + `}]}` }
	suite := func(fields string) string { return `{` + fields + `,"checks":[{"name":"a","path":"/"}]}` }
	cases := map[string]struct{ text, want string }{
		"not JSON":                      {"{", "smoke checks: "},
		"two documents":                 {`{"checks":[]} {}`, "more after the first JSON value"},
		"a list":                        {`[]`, "want an object, got []"},
		"nothing":                       {`null`, "checks: there is none; a suite without checks proves nothing"},
		"checks that are no list":       {`{"checks":{}}`, "checks: want a list, got {}"},
		"too many checks":               {`{"checks":[` + strings.Repeat(`{"name":"a","path":"/"},`, 100) + `{"name":"b","path":"/"}]}`, "checks: there are 101; allowed are 100"},
		"too long":                      {strings.Repeat(" ", maxSuite+1), "allowed are 1048576"},
		"a name on two lines":           {`{"checks":[{"name":"a\nb","path":"/"}]}`, "name: allowed are up to 100 characters that can be printed"},
		"no path":                       {`{"checks":[{"name":"a"}]}`, `check "a": path: "" does not begin with "/"`},
		"a broken path":                 {`{"checks":[{"name":"a","path":"/%zz"}]}`, `path: "/%zz" is not a path`},
		"a fragment":                    {`{"checks":[{"name":"a","path":"/#x"}]}`, `path: "/#x" is not a path`},
		"a method in small letters":     {check(`,"method":"get"`), `method: "get"; allowed are GET, HEAD`},
		"a header's name":               {check(`,"headers":{"a b":"x"}`), `headers: "a b" is not`},
		"a header of two lines":         {check(`,"headers":{"a":"x\ny"}`), `headers: "a" is not`},
		"a header twice":                {check(`,"headers":{"accept":"x","Accept":"y"}`), `headers: "Accept" is given twice`},
		"a header of HTTP itself":       {check(`,"headers":{"content-length":"5"}`), `headers: "content-length" is not for a check to set`},
		"assets of a HEAD":              {check(`,"method":"HEAD","assets":true`), "assets: the answer to HEAD names none"},
		"the body of a HEAD":            {check(`,"method":"HEAD","expect":{"bodyRegex":"x"}`), "expect: the answer to HEAD has no body"},
		"a status":                      {check(`,"expect":{"status":99}`), "expect.status: 99; allowed are 100 to 599"},
		"a class of statuses":           {check(`,"expect":{"status":"6XX"}`), "expect.status: 6xx; allowed are"},
		"a list of no statuses":         {check(`,"expect":{"status":[]}`), "expect.status: want a status such as 200 or 2xx, or a list of them, got []"},
		"a status that is none":         {check(`,"expect":{"status":true}`), "expect.status: want a status such as 200 or 2xx"},
		"a content type":                {check(`,"expect":{"contentType":"json"}`), `expect.contentType: "json" is not a media type`},
		"a pattern":                     {check(`,"expect":{"bodyRegex":"("}`), "expect.bodyRegex: error parsing regexp"},
		"a pattern that must not be":    {check(`,"expect":{"bodyNotRegex":["("]}`), "expect.bodyNotRegex: error parsing regexp"},
		"a header's pattern":            {check(`,"expect":{"headers":{"X":"["}}`), "expect.headers.X: "},
		"a latency":                     {check(`,"expect":{"maxLatency":"-1s"}`), `expect.maxLatency: want a duration such as "5s", got "-1s"`},
		"a latency beyond the timeout":  {check(`,"expect":{"maxLatency":"15s"}`), "expect.maxLatency: 15s; allowed is up to the timeout, 10s"},
		"a duration without a unit":     {suite(`"timeout":5`), `timeout: want a duration such as "5s", got 5`},
		"a timeout beyond the budget":   {suite(`"timeout":"90s"`), "timeout: 1m30s; allowed is up to the budget, 1m0s"},
		"a budget without end":          {suite(`"budget":"24h"`), "budget: 24h0m0s; allowed is up to 1h0m0s"},
		"an interval beyond the budget": {suite(`"interval":"1m"`), "interval: 1m0s; allowed is less than the budget, 1m0s"},
		"a row that takes too long":     {suite(`"consecutive":61`), "consecutive: 61; with an interval of 1s they take 1m0s, which is not within the budget"},
		"too few attempts":              {suite(`"attempts":2,"consecutive":3`), "attempts: 2; allowed are consecutive, which is 3, to 1000"},
		"too many attempts":             {suite(`"attempts":5000`), "attempts: 5000; allowed are consecutive, which is 1, to 1000"},
		"optional without need":         {check(`,"optional":true`), "optional: true; the check has no ${NAME} that could be missing"},
		"a variable in the path":        {`{"checks":[{"name":"a","path":"/${X}"}]}`, "path: ${X}: only ${each} may stand here"},
		"each without a list":           {`{"checks":[{"name":"a","path":"/${each}"}]}`, "each: it is missing"},
		"a list without each":           {check(`,"each":["b"]`), "each: the name has no ${each}"},
		"a list that leads elsewhere":   {`{"checks":[{"name":"${each}","path":"/${each}","each":["../b"]}]}`, `each: "../b" is neither`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			require.ErrorContains(t, err, c.want)
			require.Len(t, strings.Split(err.Error(), "\n"), 1, "one mistake is one line: %v", err)
		})
	}
}

func TestParseReadsWhatCanBeSaid(t *testing.T) {
	suite, err := Parse([]byte(`{"consecutive": 2, "attempts": 7, "interval": "250ms", "timeout": "3s", "budget": "1m30s", "checks": [{
		"name": "a", "method": "POST", "path": "/x?y=z", "headers": {"X": "y"}, "body": "b", "assets": false, "followRedirects": true,
		"expect": {"status": [200, "3XX"], "contentType": "text/html", "headers": {"X": "."}, "bodyRegex": "a", "bodyNotRegex": ["b", "c"],
		"json": {"a": null}, "maxLatency": "2s"}}, {"name": "b", "path": "/", "expect": null}]}`))
	require.NoError(t, err)
	require.Equal(t, Suite{
		Consecutive: 2, Attempts: 7, Interval: 250 * time.Millisecond, Timeout: 3 * time.Second, Budget: 90 * time.Second,
		Checks: []Check{{
			Name: "a", Method: "POST", Path: "/x?y=z", Headers: map[string]string{"X": "y"}, Body: "b", FollowRedirects: true,
			All: expect.All{
				expect.Status{"200", "3xx"}, expect.ContentType("text/html"), expect.Headers{"X": "."}, expect.BodyRegex{"a"}, expect.BodyNotRegex{"b", "c"},
				expect.JSON{"a": nil}, expect.MaxLatency(2 * time.Second),
			},
		}, {Name: "b", Method: "GET", Path: "/", All: expect.All{expect.Status{"200"}}}},
	}, suite)
	require.NoError(t, suite.Validate())
	short, err := Parse([]byte(`{"budget": "5s", "checks": [{"name": "a", "path": "/"}]}`))
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, short.Timeout, "the default of the timeout bows to the budget")
}

func FuzzParse(f *testing.F) {
	f.Add(`{"consecutive": 1, "checks": [{"name": "${each}", "path": "/${each}", "each": "${X:-a}", "expect": {"status": ["2xx"], "json": {"a\\.b": 1}}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		suite, err := Parse([]byte(text))
		if err == nil {
			require.NoError(t, suite.Validate())
			_, _ = suite.Expand(func(name string) (string, bool) { return name, true })
			require.NoError(t, suite.Quick().Validate())
		}
	})
}
