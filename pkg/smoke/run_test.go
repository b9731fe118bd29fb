package smoke

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
)

// lookIn looks names up in a map.
func lookIn(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, found := values[name]; return v, found }
}

func TestAnOptionalCheckIsLeftOutLoudlyAndOnce(t *testing.T) {
	suite := checks.Suite{Attempts: 1, Checks: []checks.Check{
		{Name: "open", Path: "/"},
		{Name: "with a token", Path: "/", Headers: map[string]string{"Authorization": "Bearer ${TOKEN}"}, Optional: true, All: expect.All{expect.Status{"401"}}},
	}}
	var log bytes.Buffer
	names := func(values map[string]string) (names []string) {
		filled, err := suite.Expand(lookIn(values))
		require.NoError(t, err)
		log.Reset()
		for range 2 {
			names = nil
			for _, result := range Run(t.Context(), filled, serve(t, reply(http.StatusOK, "", "")), slog.New(slog.NewTextHandler(&log, nil))) {
				names = append(names, result.Name+" "+string(result.Result))
			}
		}
		return names
	}
	require.Equal(t, []string{"open passed", "with a token failed"}, names(map[string]string{"TOKEN": "abcdefgh"}))
	require.NotContains(t, log.String(), "SKIPPED")
	require.Equal(t, []string{"open passed"}, names(nil), "no result at all, not a good one")
	require.Equal(t, 1, strings.Count(log.String(), `level=WARN msg="smoke check \"with a token\" is SKIPPED: ${TOKEN} has no value"`))
	suite.Checks = suite.Checks[1:]
	_, err := suite.Expand(lookIn(nil))
	require.ErrorContains(t, err, "checks: there is none")
}

func TestASecretOfABodyDoesNotShow(t *testing.T) {
	suite, err := checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "n", Path: "/", Method: "POST", Body: `{"k":"${KEY}"}`}}}.Expand(lookIn(map[string]string{"KEY": "hunter2"}))
	require.NoError(t, err)
	got := runSuite(t, reply(400, "", "bad key hunter2"), suite)
	require.Equal(t, "status 400, should be 200: bad key ***", got.Detail)
}
