package smoke

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
)

func TestSilenceSpeaksAgainstAPodAndNotAgainstAPublicAddress(t *testing.T) {
	once := checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: "/"}}}
	nobody := Target{BaseURL: "http://127.0.0.1:1"}
	got := Run(t.Context(), once, nobody, nil)[0]
	require.Equal(t, []any{record.CheckFailed, "dial tcp [address]: connect: connection refused"}, []any{got.Result, got.Detail})
	nobody.Kind = record.TargetPublic
	got = Run(t.Context(), once, nobody, nil)[0]
	require.Equal(t, []any{record.CheckInconclusive, "unreachable: dial tcp [address]: connect: connection refused"}, []any{got.Result, got.Detail})
	answering := serve(t, reply(502, "", "gateway"))
	answering.Kind = record.TargetPublic
	require.Equal(t, record.CheckFailed, Run(t.Context(), once, answering, nil)[0].Result)
}

func TestATokenThatNobodyFilledInIsNotSent(t *testing.T) {
	got := run(t, reply(200, "", ""), checks.Check{Name: "n", Path: "/", Headers: map[string]string{"Authorization": "Bearer ${TOKEN}"}})
	require.Equal(t, []any{record.CheckInconclusive, "${TOKEN} was not filled in"}, []any{got.Result, got.Detail})
}

func TestWhereARedirectMayLead(t *testing.T) {
	for _, c := range []struct {
		from, to string
		upgrade  bool
	}{
		{"http://portal.example.com/", "https://portal.example.com/", true},
		{"http://portal.example.com/", "https://PORTAL.example.com:443/x", true},
		{"http://portal.example.com/", "https://other.example.com/", false},
		{"http://portal.example.com/", "https://portal.example.com:8443/", false},
		{"http://portal.example.com:8080/", "https://portal.example.com/", false},
		{"https://portal.example.com/", "http://portal.example.com/", false},
	} {
		from, err := url.Parse(c.from)
		require.NoError(t, err)
		to, err := url.Parse(c.to)
		require.NoError(t, err)
		require.Equal(t, c.upgrade, isUpgrade(from, to), c)
	}
}
