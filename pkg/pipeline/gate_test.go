package pipeline

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// What a revision is judged by is read before anything is applied.
func TestAWrongGateIsWrongInput(t *testing.T) {
	for name, c := range map[string]struct {
		settings config.Settings
		want     string
	}{
		"a log pattern that is no expression": {config.Settings{Gate: config.Gate{LogPatterns: []string{"backstage", "("}}}, "rollout/log-pattern-invalid"},
		"a rule without a code":               {config.Settings{Gate: config.Gate{RolloutRules: []string{"terminal"}}}, "rollout/"},
	} {
		t.Run(name, func(t *testing.T) {
			c.settings.Smoke = record.SmokeNone
			_, err := part(t, "gate", c.settings).gate()
			require.Equal(t, record.KindInput, record.KindOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
}
