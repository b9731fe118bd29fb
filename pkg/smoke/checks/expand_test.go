package checks

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// env looks names up in a map.
func env(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, found := values[name]; return v, found }
}

func TestExpandFillsInWhatTheEnvironmentHas(t *testing.T) {
	suite := Suite{Checks: []Check{
		{Name: "a", Path: "/", Headers: map[string]string{"Authorization": "Bearer ${TOKEN}"}, Body: "${TOKEN} ${MODE:-fast}"},
		{Name: "b", Path: "/", Headers: map[string]string{"X-Price": "$5 ${}"}, Body: "${OTHER:-}"},
	}}
	filled, err := suite.Expand(env(map[string]string{"TOKEN": "a ${OTHER} b", "MODE": ""}))
	require.NoError(t, err)
	require.Equal(t, "Bearer a ${OTHER} b", filled.Checks[0].Headers["Authorization"], "a value is not filled in again")
	require.Equal(t, "a ${OTHER} b fast", filled.Checks[0].Body)
	require.Empty(t, filled.Checks[0].Unfilled())
	require.Equal(t, "$5 ${}", filled.Checks[1].Headers["X-Price"])
	require.Empty(t, filled.Checks[1].Body)
	require.Equal(t, "Bearer ${TOKEN}", suite.Checks[0].Headers["Authorization"], "the suite itself stays as it is")
}

func TestExpandSaysWhatIsMissingAndNoValue(t *testing.T) {
	suite := Suite{Checks: []Check{
		{Name: "a", Path: "/", Headers: map[string]string{"X": "${ONE} ${TWO:-2} ${THREE}"}},
		{Name: "b", Path: "/", Body: "${LINES}", Optional: true},
		{Name: "c ${each}", Path: "/${each}", Each: []string{"${LIST}"}},
		{Name: "d ${each}", Path: "/${each}", Each: []string{"${EMPTY:-,}"}},
	}}
	_, err := suite.Expand(env(map[string]string{"LINES": "pass\nword", "LIST": "ok,../../secret"}))
	require.ErrorContains(t, err, `check "a": ${ONE}, ${THREE}: want a value of one line in the environment`)
	require.ErrorContains(t, err, `check "b": ${LINES}: want a value of one line`, "an optional check may be left out, but not be wrong")
	require.ErrorContains(t, err, `check "c ${each}": each: ${LIST}: want words of letters, digits`)
	require.ErrorContains(t, err, `check "d ${each}": each: ${EMPTY:-,}: want words`)
	require.NotContains(t, err.Error(), "word\"")
	require.NotContains(t, err.Error(), "secret")
}

func TestAListMakesAsManyChecks(t *testing.T) {
	suite := Suite{Checks: []Check{{
		Name: "${each} keys", Path: "/api/${each}/keys", Each: []string{"app", "${PLUGINS:-catalog,auth}"},
		Headers: map[string]string{"X-Plugin": "${each}", "Authorization": "Bearer ${TOKEN:-nobody}"}, Body: "${each}",
	}}}
	paths := func(values map[string]string) (found []string) {
		filled, err := suite.Expand(env(values))
		require.NoError(t, err)
		for _, c := range filled.Checks {
			word := strings.TrimSuffix(c.Name, " keys")
			require.Equal(t, []string{word, word}, []string{c.Headers["X-Plugin"], c.Body})
			found = append(found, c.Path)
		}
		return found
	}
	require.Equal(t, []string{"/api/app/keys", "/api/catalog/keys", "/api/auth/keys"}, paths(nil))
	require.Equal(t, []string{"/api/app/keys", "/api/search/keys", "/api/user-settings/keys"}, paths(map[string]string{"PLUGINS": " search, user-settings,app,"}))
	require.ElementsMatch(t, []string{"${each}", "${PLUGINS:-catalog,auth}", "${TOKEN:-nobody}"}, suite.Checks[0].Unfilled())
}
