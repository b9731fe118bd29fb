package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// rancher/fleet#364, fluxcd/kustomize-controller#553: a Job of hours must not put a healthy
// release back. Helm's --wait does not wait for Jobs at all.
func TestJudge_Decide_JobsAtWorkAreWaitedForUntilTheBudgetIsNeededForTheRest(t *testing.T) {
	one := int32(1)
	well := batchv1.JobStatus{Active: 1, Ready: &one}
	with := func(s cluster.Snapshot, status batchv1.JobStatus) cluster.Snapshot {
		s.Jobs = []*batchv1.Job{{ObjectMeta: metav1.ObjectMeta{Name: "reindex", Namespace: "portal", UID: "j"}, Status: status}}
		s.Workloads = append(s.Workloads, record.Workload{Kind: "Job", Namespace: "portal", Name: "reindex"})
		return s
	}
	notReady := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
	for name, c := range map[string]struct {
		s     cluster.Snapshot
		after time.Duration
		ready bool
	}{
		"before its time":           {with(fixture.Deployed(), well), 29 * time.Second, false},
		"at its time":               {with(fixture.Deployed(), well), 30 * time.Second, true},
		"one that has failed once":  {with(fixture.Deployed(), batchv1.JobStatus{Active: 1, Ready: &one, Failed: 1}), 30 * time.Second, false},
		"one that cannot start":     {with(fixture.Deployed(), batchv1.JobStatus{Active: 1}), 30 * time.Second, false},
		"beside a pod not ready":    {with(notReady, well), 30 * time.Second, false},
		"a release that is but one": {with(cluster.Snapshot{}, well), 30 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(nil)
			j.JobsUntil = fixture.Noon.Add(30 * time.Second)
			first := j.Decide(c.s, fixture.Noon)
			require.False(t, first.Ready)
			v := j.Decide(c.s, fixture.Noon.Add(c.after))
			require.Equal(t, c.ready, v.Ready, v.Progress)
			if c.ready {
				require.Equal(t, []string{"Job/reindex: 1 active, 0 failed: it is still at work, and its end was not waited for"}, v.Notes)
				require.Equal(t, AllReady, v.Progress)
				require.Equal(t, 30*time.Second, first.Again, "time alone changes it")
			}
		})
	}
}
