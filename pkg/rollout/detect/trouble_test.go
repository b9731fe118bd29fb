package detect

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

func TestTheLineOfALogCanBeLeftOutOfEachTextThatRepeatsIt(t *testing.T) {
	muted := &redact.Redactor{}
	muted.Mute(record.Saying...)
	container := fixture.Running(0)
	pod := fixture.Pod("web-new", "new", false, container)
	line, found := lineTrouble(&cluster.Snapshot{Lines: map[podstate.Run]cluster.Line{podstate.RunOf(pod, container): {Text: "unknown-to-us"}}}, pod, container)
	require.True(t, found)
	other := Trouble{Cause: record.Cause{Code: causes.Timeout, Object: "Deployment/web", Message: "0 of 1 new pods ready"}}
	for _, cause := range []record.Cause{line.Cause, Because(other, line).Cause, Beside(other, line).Cause} {
		require.Contains(t, cause.Message, "unknown-to-us")
		require.NotContains(t, muted.Text(cause.String()), "unknown-to-us")
	}
}

func TestALockThatATerminationMessageTellsOfIsSeenInTheWholeOfIt(t *testing.T) {
	container := fixture.Crashed(1, 1, "Error")
	container.LastTerminationState.Terminated.Message = strings.Repeat("x", 1<<10) + backstage.MigrationLocked + strings.Repeat("x", 1<<10)
	pod := fixture.Pod("web-new", "new", false, container)
	end, found := exitTrouble(&cluster.Snapshot{}, pod, container, 1)
	require.True(t, found)
	require.True(t, end.Cause.MetLock)
	require.NotContains(t, end.Cause.Message, backstage.MigrationLocked)
	other := Trouble{Cause: record.Cause{Code: causes.Timeout}}
	require.True(t, Because(other, end).Cause.MetLock)
	require.True(t, Beside(other, end).Cause.MetLock)
}
