package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// rancher/fleet#364, fluxcd/kustomize-controller#553: a Job of hours must not put a healthy
// release back. Helm's --wait does not wait for Jobs at all.
func TestJudge_Decide_JobsAtWorkAreWaitedForUntilTheBudgetIsNeededForTheRest(t *testing.T) {
	well := batchv1.JobStatus{Active: 1}
	with := func(s cluster.Snapshot, status batchv1.JobStatus, containers ...corev1.ContainerStatus) cluster.Snapshot {
		s.Jobs = []*batchv1.Job{{ObjectMeta: metav1.ObjectMeta{Name: "reindex", Namespace: "portal", UID: "j"}, Status: status}}
		s.Workloads = append(s.Workloads, record.Workload{Kind: "Job", Namespace: "portal", Name: "reindex"})
		p := fixture.Pod("reindex-1", "", false, containers...)
		p.OwnerReferences = fixture.Owner("Job", "reindex", "j")
		s.Pods = append(s.Pods, p)
		return s
	}
	runs := fixture.Running(0)
	done := corev1.ContainerStatus{Name: "import", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}}
	initializing := with(fixture.Deployed(), well, fixture.Waiting("PodInitializing", ""))
	pod := initializing.Pods[len(initializing.Pods)-1]
	pod.Status.Phase, pod.Spec.InitContainers = corev1.PodPending, []corev1.Container{{Name: "fetch"}}
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "fetch", State: fixture.Runs}}
	notReady := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
	for name, c := range map[string]struct {
		s     cluster.Snapshot
		after time.Duration
		ready bool
	}{
		"before its time":           {with(fixture.Deployed(), well, runs), 29 * time.Second, false},
		"at its time":               {with(fixture.Deployed(), well, runs), 30 * time.Second, true},
		"one that has failed once":  {with(fixture.Deployed(), batchv1.JobStatus{Active: 1, Failed: 1}, runs), 30 * time.Second, false},
		"one that cannot start":     {with(fixture.Deployed(), well, fixture.Waiting("ContainerCreating", "")), 30 * time.Second, false},
		"one without a pod yet":     {with(fixture.Deployed(), batchv1.JobStatus{Active: 2}, runs), 30 * time.Second, false},
		"beside a pod not ready":    {with(notReady, well, runs), 30 * time.Second, false},
		"a release that is but one": {with(cluster.Snapshot{}, well, runs), 30 * time.Second, false},
		// istio/istio#6324: the work is done and the sidecar never ends
		"one whose sidecar never ends": {with(fixture.Deployed(), well, done, runs), 30 * time.Second, true},
		"one that initializes":         {initializing, 30 * time.Second, true},
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

// argoproj/argo-cd#15317: a pod that may end and does not ran into the end of the budget.
func TestJudge_Decide_APodThatMayEndIsWaitedForAsAJobIs(t *testing.T) {
	with := func(containers ...corev1.ContainerStatus) cluster.Snapshot {
		s := fixture.Deployed()
		s.Workloads = append(s.Workloads, record.Workload{Kind: "Pod", Namespace: "portal", Name: "import"})
		p := fixture.Pod("import", "", true, containers...)
		p.OwnerReferences, p.Spec.RestartPolicy, p.Spec.Containers = nil, corev1.RestartPolicyOnFailure, []corev1.Container{{Name: "import"}}
		s.Pods = append(s.Pods, p)
		return s
	}
	for name, c := range map[string]struct {
		s     cluster.Snapshot
		after time.Duration
		ready bool
	}{
		"before its time":       {with(fixture.Running(0)), 29 * time.Second, false},
		"at its time":           {with(fixture.Running(0)), 30 * time.Second, true},
		"one that cannot start": {with(fixture.Waiting("ContainerCreating", "")), 30 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(nil)
			j.JobsUntil = fixture.Noon.Add(30 * time.Second)
			require.False(t, j.Decide(c.s, fixture.Noon).Ready)
			v := j.Decide(c.s, fixture.Noon.Add(c.after))
			require.Equal(t, c.ready, v.Ready, v.Progress)
			if c.ready {
				require.Equal(t, []string{"Pod/import: runs: it is still at work, and its end was not waited for"}, v.Notes)
			}
		})
	}
}

// argoproj/argo-cd#19126: a Job that somebody starts later must not put a healthy release back.
func TestJudge_Decide_ASuspendedJobIsNotWaitedFor(t *testing.T) {
	yes, none := true, int32(0)
	with := func(spec batchv1.JobSpec, active int32) cluster.Snapshot {
		s := fixture.Deployed()
		s.Jobs = []*batchv1.Job{{ObjectMeta: metav1.ObjectMeta{Name: "restore", Namespace: "portal", UID: "j"}, Spec: spec, Status: batchv1.JobStatus{Active: active}}}
		s.Workloads = append(s.Workloads, record.Workload{Kind: "Job", Namespace: "portal", Name: "restore"})
		return s
	}
	for name, spec := range map[string]batchv1.JobSpec{"suspended": {Suspend: &yes}, "without parallelism": {Parallelism: &none}} {
		v := New(nil).Decide(with(spec, 0), fixture.Noon)
		require.True(t, v.Ready, name)
		require.Equal(t, []string{"Job/restore is suspended: its end was not waited for"}, v.Notes)
		require.False(t, New(nil).Decide(with(spec, 1), fixture.Noon).Ready, "its pod is still going")
	}
}
