package causes

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
		ImageNotFound: {},
		OOMKilled:     {Failures: 1},
		Unschedulable: {Grace: 90 * time.Second, Shared: 90 * time.Second},
		CrashLoop:     {Grace: 5 * time.Minute, Shared: 5 * time.Minute, Failures: 3},
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

func TestEachConditionHasOneRowThatSaysOneThing(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Table {
		require.False(t, seen[row.Code], row.Code)
		seen[row.Code] = true
		if row.Verdict {
			require.Zero(t, row.Rule, row.Code)
			continue
		}
		require.False(t, row.Rule.Wait && row.Rule != waits, row.Code)
		require.True(t, row.Rule.Wait || row.Rule.Shared >= sharedGrace, "%s: one bad node would be enough", row.Code)
	}
}

func TestFor_ARuleForACodeHoldsForItsKinds(t *testing.T) {
	patient, quick := Rule{Wait: true}, Rule{Grace: time.Second, Shared: time.Second}
	for kind, of := range map[string]string{NoNodeFits: Unschedulable, Preempted: Unschedulable, ClaimInUse: Unschedulable, HostPathDiffers: MountFailed, RunsAsRoot: ConfigMissing} {
		require.Equal(t, patient, For(map[string]Rule{of: patient}, false)[kind])
		require.Equal(t, quick, For(map[string]Rule{of: patient, kind: quick}, false)[kind])
		require.NotContains(t, For(map[string]Rule{NoScaleUp: patient}, true), kind)
	}
}
