package answers

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestResultsAreSeenAgainstThoseBefore(t *testing.T) {
	const url = "https://portal.example.com"
	kinds := map[string]record.TargetKind{"Pod": record.TargetPod, "Service": record.TargetService, "https:": record.TargetPublic}
	at := func(target string, result record.CheckResult, detail string) record.Check {
		kind, _, _ := strings.Cut(target, "/")
		return record.Check{Name: "page", Target: target, Kind: kinds[kind], Result: result, Detail: detail, Seconds: 1}
	}
	gone := func(detail string) record.Check {
		c := at(url, record.CheckInconclusive, "unreachable: "+detail)
		c.Unreachable = true
		return c
	}
	cases := map[string]struct {
		before []record.Check
		after  record.Check
		result record.CheckResult
		detail string
	}{
		"nothing is known of before":                     {nil, at("Pod/new", "failed", "status 500"), "failed", "status 500"},
		"another check failed before":                    {[]record.Check{{Name: "other", Kind: record.TargetPod, Target: "Pod/old", Result: "failed"}}, at("Pod/new", "failed", "status 500"), "failed", "status 500"},
		"passes as before":                               {[]record.Check{at("Pod/old", "passed", "")}, at("Pod/new", "passed", ""), "passed", ""},
		"passes now":                                     {[]record.Check{at("Pod/old", "failed", "status 500")}, at("Pod/new", "passed", ""), "passed", ""},
		"broke now":                                      {[]record.Check{at("Pod/old", "passed", "")}, at("Pod/new", "failed", "status 500"), "failed", "status 500"},
		"was broken":                                     {[]record.Check{at("Pod/old", "failed", "status 502")}, at("Pod/new", "failed", "status 500"), "inconclusive", "was already failing before: status 502; now: status 500"},
		"one old pod passed":                             {[]record.Check{at("Pod/a", "failed", "x"), at("Pod/b", "passed", ""), at("Pod/c", "failed", "y")}, at("Pod/new", "failed", "status 500"), "failed", "status 500"},
		"no old pod passed":                              {[]record.Check{at("Pod/a", "failed", "x"), at("Pod/c", "failed", "y")}, at("Pod/new", "failed", "z"), "inconclusive", "was already failing before: x; now: z"},
		"a pod says nothing about a Service":             {[]record.Check{at("Pod/a", "failed", "x")}, at("Service/a", "failed", "z"), "failed", "z"},
		"one Service says nothing about another":         {[]record.Check{at("Service/b", "failed", "x")}, at("Service/a", "failed", "z"), "failed", "z"},
		"a Service that was broken":                      {[]record.Check{at("Service/a", "failed", "x")}, at("Service/a", "failed", "z"), "inconclusive", "was already failing before"},
		"a URL that was unreachable":                     {[]record.Check{gone("no such host")}, at(url, "failed", "status 502"), "inconclusive", "was already failing before: unreachable: no such host; now: status 502"},
		"a URL that is and was unreachable":              {[]record.Check{gone("refused")}, gone("refused"), "inconclusive", "unreachable: refused"},
		"a URL that is unreachable now":                  {[]record.Check{at(url, "passed", "")}, gone("refused"), "failed", "it was reachable before: unreachable: refused"},
		"the words of an answer decide nothing":          {[]record.Check{at(url, "passed", "")}, at(url, "inconclusive", "unreachable: it says"), "inconclusive", "unreachable: it says"},
		"a URL that answered badly and is gone":          {[]record.Check{at(url, "failed", "status 502")}, gone("refused"), "inconclusive", "unreachable: refused"},
		"a certificate that was bad before":              {[]record.Check{at(url, "failed", "tls: expired")}, at(url, "failed", "tls: expired"), "inconclusive", "was already failing before: tls: expired"},
		"too many requests now":                          {[]record.Check{at(url, "passed", "")}, at(url, "inconclusive", "status 429"), "inconclusive", "status 429"},
		"too many requests before":                       {[]record.Check{at(url, "inconclusive", "status 429")}, at(url, "failed", "status 500"), "failed", "status 500"},
		"the API server was away before":                 {[]record.Check{at("Pod/a", "inconclusive", "no API server")}, at("Pod/new", "failed", "z"), "failed", "z"},
		"the API server is away now":                     {[]record.Check{at("Pod/a", "passed", "")}, at("Pod/new", "inconclusive", "no API server"), "inconclusive", "no API server"},
		"one old pod could not be asked, another failed": {[]record.Check{at("Pod/a", "inconclusive", "no API server"), at("Pod/b", "failed", "y")}, at("Pod/new", "failed", "z"), "inconclusive", "was already failing before: y"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			given := []record.Check{c.after}
			got := Against(c.before, given)
			require.Len(t, got, 1)
			require.Equal(t, c.result, got[0].Result, got[0].Detail)
			require.True(t, strings.HasPrefix(got[0].Detail, c.detail), got[0].Detail)
			require.Equal(t, []any{c.after.Name, c.after.Target, 1.0}, []any{got[0].Name, got[0].Target, got[0].Seconds})
			require.Equal(t, c.after, given[0], "what is given stays as it is")
		})
	}
}

func TestEachPodIsJudgedForItself(t *testing.T) {
	before := []record.Check{{Name: "n", Kind: record.TargetPod, Target: "Pod/old", Result: "passed"}}
	after := []record.Check{{Name: "n", Kind: record.TargetPod, Target: "Pod/a", Result: "passed"}, {Name: "n", Kind: record.TargetPod, Target: "Pod/b", Result: "failed"}, {Name: "n", Kind: record.TargetPod, Target: "Pod/c", Result: "passed"}}
	require.Equal(t, after, Against(before, after))
	require.Empty(t, Against(before, nil))
}

func TestTwoLongDetailsStayShort(t *testing.T) {
	long := strings.Repeat("é", 300)
	got := Against([]record.Check{{Name: "n", Kind: record.TargetPod, Target: "Pod/a", Result: "failed", Detail: long}}, []record.Check{{Name: "n", Kind: record.TargetPod, Target: "Pod/b", Result: "failed", Detail: long + "end"}})
	require.Contains(t, got[0].Detail, "end")
	require.LessOrEqual(t, len(got[0].Detail), maxBoth+len("…"))
}
