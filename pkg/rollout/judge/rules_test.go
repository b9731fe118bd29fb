package judge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestARuleReplacesTheDefault(t *testing.T) {
	notFound := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("ErrImagePull", "not found")))
	crash := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(0, 1, "Error")))
	for name, c := range map[string]struct {
		rule    string
		look    cluster.Snapshot
		seconds int
	}{
		"ignored":                         {"image-not-found=ignore", notFound, -1},
		"with another grace":              {"image-not-found=20s", notFound, 20},
		"at once":                         {"image-not-found=terminal", notFound, 0},
		"at the first end of a container": {"crash-loop=terminal", crash, 0},
		"another code's rule":             {"oom-killed=terminal", notFound, 3},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := causes.ParseRules([]string{c.rule})
			require.NoError(t, err)
			seconds, _ := afterBy(New(rules), c.look, 600)
			require.Equal(t, c.seconds, seconds)
		})
	}
}

func TestARevisionWithNothingToGoBackToMayCrashLonger(t *testing.T) {
	crashes := func(n int32) cluster.Snapshot {
		return fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(n, 1, "Error")))
	}
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
			rules, err := causes.ParseRules(c.rules)
			require.NoError(t, err)
			j := New(causes.For(rules, c.alone))
			for n := int32(1); ; n++ {
				seconds, _ := afterBy(j, crashes(n-1), 2)
				if seconds >= 0 {
					require.Equal(t, c.ends, n)
					return
				}
				require.Less(t, n, int32(9))
			}
		})
	}
}
