package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestTheTableShowsWhatKubectlShows(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(1, 1, "Error")))
	s.Pods[0].Spec.NodeName = "node-1"
	v := New(nil).Decide(s, fixture.Noon.Add(90*time.Second))
	require.Equal(t, []record.PodState{
		{Name: "web-new", Owner: "Deployment/web", New: true, Ready: "0/1", Status: "CrashLoopBackOff", Restarts: 1, Node: "node-1", Seconds: 90,
			Message: "CrashLoopBackOff: exited 2 times, last with code 1"},
		{Name: "web-old", Owner: "Deployment/web", Ready: "0/1", Status: "Running", Seconds: 90},
	}, Table(fixture.Noon.Add(90*time.Second), v.Statuses, s.Workloads))
}
