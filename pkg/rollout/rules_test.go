package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestRulesAreRead(t *testing.T) {
	rules, err := ParseRules([]string{"image-not-found=terminal", "rollout/crash-loop=ignore", " oom-killed = terminal", "unschedulable=90s", "crash-loop=5m"})
	require.NoError(t, err)
	require.Equal(t, map[string]Rule{
		codeNotFound:      {},
		codeOOM:           {Failures: 1},
		codeUnschedulable: {Grace: 90 * time.Second, Shared: 90 * time.Second},
		codeCrash:         {Grace: 5 * time.Minute, Shared: 5 * time.Minute, Failures: 3},
	}, rules)
}

func TestAllWrongRulesAreNamedAtOnce(t *testing.T) {
	_, err := ParseRules([]string{"crash=terminal", "crash-loop", "oom-killed=often", "paused=-3s", "timeout=ignore"})
	require.Equal(t, record.KindInput, record.KindOf(err))
	for _, words := range []string{`rule "crash=terminal": no such code; there are admission-denied, `, `rule "crash-loop": want CODE=terminal`,
		`rule "oom-killed=often": want`, `rule "paused=-3s": want`, `rule "timeout=ignore": no such code`} {
		require.ErrorContains(t, err, words)
	}
}

func TestARuleReplacesTheDefault(t *testing.T) {
	notFound := deploying(pod("web-new", "new", false, waiting("ErrImagePull", "not found")))
	crash := deploying(pod("web-new", "new", false, crashed(0, 1, "Error")))
	for name, c := range map[string]struct {
		rule    string
		look    snapshot
		seconds int
	}{
		"ignored":                         {"image-not-found=ignore", notFound, -1},
		"with another grace":              {"image-not-found=20s", notFound, 20},
		"at once":                         {"image-not-found=terminal", notFound, 0},
		"at the first end of a container": {"crash-loop=terminal", crash, 0},
		"another code's rule":             {"oom-killed=terminal", notFound, 3},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := ParseRules([]string{c.rule})
			require.NoError(t, err)
			seconds, _ := afterBy(newJudge(rules), c.look, 600)
			require.Equal(t, c.seconds, seconds)
		})
	}
}

func TestARevisionWithNothingToGoBackToMayCrashLonger(t *testing.T) {
	crashes := func(n int32) snapshot { return deploying(pod("web-new", "new", false, crashed(n, 1, "Error"))) }
	for name, c := range map[string]struct {
		alone bool
		rules []string
		ends  int32 // at which it fails
	}{
		"one with a revision to go back to": {false, nil, 3},
		"one without":                       {true, nil, 5},
		"one without, and a rule":           {true, []string{"crash-loop=terminal"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := ParseRules(c.rules)
			require.NoError(t, err)
			judge := newJudge(Options{Rules: rules}.rulesFor(record.Applied{Alone: c.alone}))
			for n := int32(1); ; n++ {
				seconds, _ := afterBy(judge, crashes(n-1), 2)
				if seconds >= 0 {
					require.Equal(t, c.ends, n)
					return
				}
				require.Less(t, n, int32(9))
			}
		})
	}
}

func TestEachConditionHasOneRowThatSaysOneThing(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range table {
		require.False(t, seen[row.code], row.code)
		seen[row.code] = true
		if row.verdict {
			require.Zero(t, row.rule, row.code)
			continue
		}
		require.False(t, row.rule.Wait && row.rule != waits, row.code)
		require.True(t, row.rule.Wait || row.rule.Shared >= sharedGrace, "%s: one bad node would be enough", row.code)
	}
}
