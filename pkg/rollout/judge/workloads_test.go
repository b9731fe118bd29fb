package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestReadyMeansNewPodsOnly(t *testing.T) {
	v := New(nil).Decide(fixture.Deployed(), fixture.Noon)
	require.True(t, v.Ready)
	require.Len(t, v.Statuses[0].Proven, 1)

	for name, change := range map[string]func(*cluster.Snapshot){
		"an old pod is still there":                 func(s *cluster.Snapshot) { s.Deployments[0].Status.Replicas = 2 },
		"the controller has not seen it":            func(s *cluster.Snapshot) { s.Deployments[0].Status.ObservedGeneration = 1 },
		"the cache shows the generation before":     func(s *cluster.Snapshot) { s.Least[fixture.Web] = 3 },
		"available, but not for minReadySeconds":    func(s *cluster.Snapshot) { s.Deployments[0].Status.AvailableReplicas = 0 },
		"the pod is not ready":                      func(s *cluster.Snapshot) { s.Pods[0] = fixture.Pod("web-new", "new", false) },
		"the pod is going":                          func(s *cluster.Snapshot) { s.Pods[0].DeletionTimestamp = &metav1.Time{Time: fixture.Noon} },
		"the Deployment is not in the cache yet":    func(s *cluster.Snapshot) { s.Deployments = nil },
		"its ReplicaSet is not in the cache yet":    func(s *cluster.Snapshot) { s.ReplicaSets = s.ReplicaSets[:1] },
		"another workload of the release is waited": func(s *cluster.Snapshot) { s.Workloads = append(s.Workloads, record.Workload{Kind: "Job", Name: "j"}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deployed()
			change(&s)
			v := New(nil).Decide(s, fixture.Noon)
			require.False(t, v.Ready)
			require.Nil(t, v.Failed)
			require.Contains(t, v.Progress, "waiting for ")
		})
	}
}

func TestAnOldPodThatIsSlowToEndHoldsNothingUp(t *testing.T) {
	s := fixture.Deployed()
	old := fixture.Pod("web-old", "old", true)
	old.DeletionTimestamp = &metav1.Time{Time: fixture.Noon}
	s.Pods = append(s.Pods, old)
	require.True(t, New(nil).Decide(s, fixture.Noon).Ready)
}

// kubernetes/kubernetes#27362: with Recreate nothing new is made while an old pod ends.
func TestRecreateNamesTheOldPodThatItWaitsFor(t *testing.T) {
	s := fixture.Deploying()
	s.Deployments[0].Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	s.ReplicaSets = s.ReplicaSets[:1]
	grace, now := int64(80), metav1.NewTime(fixture.Noon)
	s.Pods[0].DeletionTimestamp, s.Pods[0].DeletionGracePeriodSeconds = &now, &grace
	require.Equal(t, "waiting for Deployment/web: no ReplicaSet yet: its strategy Recreate waits for the old pods to end, such as Pod/web-old, which has 80s for it", New(nil).Decide(s, fixture.Noon).Progress)
}

func TestScaledAndChangedAtOnceTheOldReplicaSetIsNotTheNewOne(t *testing.T) {
	s := fixture.Deployed() // the controller has only scaled yet: revision 1 is still the annotation
	s.Deployments[0].Annotations[revisionAnnotation] = "1"
	s.ReplicaSets, s.Pods = s.ReplicaSets[:1], []*corev1.Pod{fixture.Pod("web-old", "old", false, fixture.Crashed(9, 1, "Error"))}
	v := New(nil).Decide(s, fixture.Noon)
	require.False(t, v.Ready)
	require.Nil(t, v.Failed)
	require.Equal(t, "waiting for Deployment/web: no ReplicaSet yet", v.Progress)
}

func TestNoReplicasIsASuccessThatSaysWhatItIsWorth(t *testing.T) {
	s, none := fixture.Deployed(), int32(0)
	s.Pods, s.Deployments[0].Spec.Replicas = nil, &none
	s.Deployments[0].Status = appsv1.DeploymentStatus{ObservedGeneration: 2}
	v := New(nil).Decide(s, fixture.Noon)
	require.True(t, v.Ready)
	require.Equal(t, "Deployment/web has 0 replicas: nothing ran and nothing was proven", v.Statuses[0].Note)
}

func TestTroubleOfOldPodsDoesNotCount(t *testing.T) {
	s := fixture.Deploying()
	s.Pods = []*corev1.Pod{fixture.Pod("web-old", "old", false, fixture.Crashed(9, 1, "Error"))}
	seconds, _ := after(s, 600)
	require.Equal(t, -1, seconds)
}

// The rows of facts section 3.4: what controllers say.
func TestWhatControllersSay(t *testing.T) {
	failure := func(message string) func(*cluster.Snapshot) {
		return func(s *cluster.Snapshot) {
			s.ReplicaSets[1].Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message}}
		}
	}
	progressing := func(reason, message string) func(*cluster.Snapshot) {
		return func(s *cluster.Snapshot) {
			s.Deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: reason, Message: message}}
		}
	}
	// The controller may not have come so far as to say that it has seen the change.
	withoutSet := func(message string, seen bool, at time.Duration) func(*cluster.Snapshot) {
		return func(s *cluster.Snapshot) {
			s.Since, s.ReplicaSets = fixture.Noon, s.ReplicaSets[:1]
			if !seen {
				s.Deployments[0].Status.ObservedGeneration--
			}
			e := fixture.Event("Deployment", "web", "ReplicaSetCreateError", `Failed to create new replica set "web-x": `+message)
			e.LastTimestamp = metav1.NewTime(fixture.Noon.Add(at))
			s.Events = append(s.Events, e)
		}
	}
	cases := map[string]struct {
		change  func(*cluster.Snapshot)
		seconds int
		code    string
	}{
		"quota":                     {failure(`pods "web-x" is forbidden: exceeded quota: q`), 30, causes.QuotaExceeded},
		"a quota that wants limits": {failure(`pods "web-x" is forbidden: failed quota: q: must specify limits.cpu`), 30, causes.QuotaExceeded},
		"a webhook says no":         {failure(`admission webhook "p" denied the request: no`), 5, causes.AdmissionDenied},
		"a policy says no":          {failure(`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`), 5, causes.AdmissionDenied},
		"pod security":              {failure(`pods "web-x" is forbidden: violates PodSecurity "restricted:latest"`), 5, causes.AdmissionDenied},
		"a webhook is away":         {failure(`failed calling webhook "p": no endpoints available for service "p"`), 60, causes.WebhookUnavailable},
		"no service account":        {failure(`error looking up service account portal/web: serviceaccount "web" not found`), 30, causes.ServiceAccountMissing},
		"anything else":             {failure(`maximum cpu usage per Container is 1`), 30, causes.PodNotCreated},
		// kubernetes/kubernetes#127081: the condition still has the first failure
		"a webhook that was away, and then says no": {func(s *cluster.Snapshot) {
			failure(`failed calling webhook "p": no endpoints available for service "p"`)(s)
			s.ReplicaSets[1].Status.Conditions[0].LastTransitionTime = metav1.NewTime(fixture.Noon.Add(-time.Minute))
			s.Events = append(s.Events, fixture.Event("ReplicaSet", "new", "FailedCreate", `Error creating: admission webhook "p" denied the request: no`))
		}, 5, causes.AdmissionDenied},
		"an old word about another ReplicaSet by that name": {func(s *cluster.Snapshot) {
			failure(`exceeded quota: q`)(s)
			e := fixture.Event("ReplicaSet", "new", "FailedCreate", `Error creating: admission webhook "p" denied the request: no`)
			e.InvolvedObject.UID = "before"
			s.Events = append(s.Events, e)
		}, 30, causes.QuotaExceeded},
		"while a new pod starts there may be room soon": {func(s *cluster.Snapshot) {
			failure(`exceeded quota: q`)(s)
			s.Pods = append(s.Pods, fixture.CreatingPod())
		}, -1, ""},
		"while an old pod goes there is room soon": {func(s *cluster.Snapshot) {
			failure(`exceeded quota: q`)(s)
			s.Pods[0].DeletionTimestamp = &metav1.Time{Time: fixture.Noon}
		}, 90, causes.QuotaExceeded}, // and none when it outstays its time for a minute
		// kubernetes/website#11560, joe-elliott/cert-exporter#205
		"the ReplicaSet cannot be made":           {withoutSet("replicasets is forbidden", false, 0), 30, causes.ReplicaSetNotCreated},
		"the ReplicaSet cannot be made right now": {withoutSet("failed calling webhook", false, 0), 60, causes.WebhookUnavailable},
		"a quota for ReplicaSets":                 {withoutSet(`exceeded quota: few, requested: count/replicasets.apps=1`, false, 0), 30, causes.QuotaExceeded},
		"no ReplicaSet after the old pods":        {withoutSet("replicasets is forbidden", true, 0), 30, causes.ReplicaSetNotCreated}, // of the strategy Recreate
		"the change before was denied":            {withoutSet("admission webhook p denied the request", false, -time.Minute), -1, ""},
		"a look that is older than the change": {func(s *cluster.Snapshot) {
			withoutSet("replicasets is forbidden", false, 0)(s)
			s.Least = map[record.Workload]int64{fixture.Web: s.Deployments[0].Generation + 1}
		}, -1, ""},
		"an old word about a ReplicaSet that is there": {func(s *cluster.Snapshot) {
			sets := s.ReplicaSets
			withoutSet("replicasets is forbidden", true, 0)(s)
			s.ReplicaSets = sets
		}, -1, ""},
		"the deadline of the Deployment itself": {progressing("ProgressDeadlineExceeded", "timed out"), 5, causes.ProgressDeadline},
		"paused":                                {func(s *cluster.Snapshot) { s.Deployments[0].Spec.Paused = true }, 0, causes.Paused},
		"somebody deletes it":                   {func(s *cluster.Snapshot) { s.Deployments = nil }, 10, causes.WorkloadDeleted},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deploying()
			c.change(&s)
			seconds, cause := after(s, 600)
			require.Equal(t, c.seconds, seconds)
			if cause != nil {
				require.Equal(t, c.code, cause.Code)
			}
		})
	}
}

func TestTheProgressDeadlineNamesWhatHeldItUp(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("ErrImagePull", "503 Service Unavailable")))
	s.Deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing,
		Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "has timed out progressing"}}
	_, cause := after(s, 5)
	require.Equal(t, record.Cause{Code: causes.ProgressDeadline, Object: "Pod/web-new", Container: "web", Reason: "ErrImagePull",
		Message: "has timed out progressing: 503 Service Unavailable"}, *cause)

	// A probe that fails is waited for; it explains all the same.
	s = fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Running(0)))
	s.Deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing,
		Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "has timed out progressing"}}
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")}
	_, cause = after(s, 5)
	require.Equal(t, "rollout/progress-deadline", cause.Code)
	require.Contains(t, cause.Message, "statuscode: 503")
}

var db = record.Workload{Kind: "StatefulSet", Namespace: "portal", Name: "db"}

// databases is a StatefulSet of two whose second pod is of the new revision.
func databases() cluster.Snapshot {
	two := int32(2)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "portal", UID: "s", Generation: 2}, Spec: appsv1.StatefulSetSpec{Replicas: &two}}
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: 2, Replicas: 2, ReadyReplicas: 2, AvailableReplicas: 2, UpdatedReplicas: 1, CurrentRevision: "r1", UpdateRevision: "r2"}
	return cluster.Snapshot{Workloads: []record.Workload{db}, StatefulSets: []*appsv1.StatefulSet{set}, Pods: []*corev1.Pod{member0("r1"), member1("r2", true)}}
}

func setPod(name, revision string, ready bool, statuses ...corev1.ContainerStatus) *corev1.Pod {
	p := fixture.Pod(name, "db", ready, statuses...)
	p.OwnerReferences = fixture.Owner("StatefulSet", "db", "s")
	p.Labels[appsv1.ControllerRevisionHashLabelKey] = revision
	return p
}

func member0(revision string) *corev1.Pod             { return setPod("db-0", revision, true) }
func member1(revision string, ready bool) *corev1.Pod { return setPod("db-1", revision, ready) }

func TestStatefulSets(t *testing.T) {
	one := int32(1)
	for name, c := range map[string]struct {
		change func(*appsv1.StatefulSet, *cluster.Snapshot)
		ready  bool
		note   string
	}{
		"one pod is old": {func(*appsv1.StatefulSet, *cluster.Snapshot) {}, false, ""},
		"both are new": {func(set *appsv1.StatefulSet, s *cluster.Snapshot) {
			set.Status.UpdatedReplicas, s.Pods[0] = 2, member0("r2")
		}, true, ""},
		"both are new, one only just": {func(set *appsv1.StatefulSet, s *cluster.Snapshot) {
			set.Status.UpdatedReplicas, s.Pods[0], set.Status.AvailableReplicas = 2, member0("r2"), 1
		}, false, ""},
		"a partition keeps the first one": {func(set *appsv1.StatefulSet, _ *cluster.Snapshot) {
			set.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &one}
		}, true, "StatefulSet/db: 1 of 2 pods are of the revision before, as its update strategy wants it"},
		"somebody else replaces the pods": {func(set *appsv1.StatefulSet, _ *cluster.Snapshot) {
			set.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType
		}, true, "StatefulSet/db: 1 of 2 pods are of the revision before, as its update strategy wants it"},
		"its controller has not seen it": {func(set *appsv1.StatefulSet, s *cluster.Snapshot) {
			set.Status.UpdatedReplicas, s.Pods[0], set.Generation = 2, member0("r2"), 3
		}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := databases()
			c.change(s.StatefulSets[0], &s)
			v := New(nil).Decide(s, fixture.Noon)
			require.Equal(t, c.ready, v.Ready)
			require.Equal(t, c.note, v.Statuses[0].Note)
		})
	}
}

func TestAStatefulSetThatWaitsForABrokenOldPodIsStuck(t *testing.T) {
	broken := func(status corev1.ContainerStatus) cluster.Snapshot {
		s := databases()
		s.Pods[1] = setPod("db-1", "r1", false, status)
		return s
	}
	seconds, cause := after(broken(fixture.Waiting("ImagePullBackOff", "Back-off: not found")), 600)
	require.Equal(t, 30, seconds)
	require.Equal(t, causes.StatefulSetStuck, cause.Code)
	require.Equal(t, "Pod/db-1", cause.Object)
	require.Contains(t, cause.Message, "ImagePullBackOff: Back-off: not found")
	require.Contains(t, cause.Message, "deleting it, as a rollback does, frees the rollout")

	slow := broken(fixture.Running(0))
	seconds, _ = after(slow, 600)
	require.Equal(t, -1, seconds, "an old pod that merely starts")
	parallel := broken(fixture.Crashed(5, 1, "Error"))
	parallel.StatefulSets[0].Spec.PodManagementPolicy = appsv1.ParallelPodManagement
	seconds, _ = after(parallel, 600)
	require.Equal(t, -1, seconds, "this one is replaced")
}

func TestControllersThatTellOnlyByEventsThatTheyCannotMakeAPod(t *testing.T) {
	failed := func(kind, name string, uid types.UID) *corev1.Event {
		e := fixture.Event(kind, name, "FailedCreate", "exceeded quota: q")
		e.InvolvedObject.UID = uid
		return e
	}
	set := databases()
	set.Pods = set.Pods[:1]
	set.Events = []*corev1.Event{failed("StatefulSet", "db", "s")}
	agents := daemons()
	agents.Pods, agents.Events = nil, []*corev1.Event{failed("DaemonSet", "agent", "a")}
	job := migration()
	job.Events = []*corev1.Event{failed("Job", "migrate", "m")}
	for name, s := range map[string]cluster.Snapshot{"StatefulSet": set, "DaemonSet": agents, "Job": job} {
		t.Run(name, func(t *testing.T) {
			seconds, cause := after(s, 100)
			require.Equal(t, 30, seconds)
			require.Equal(t, causes.QuotaExceeded, cause.Code)
			s.Events[0].LastTimestamp = metav1.NewTime(fixture.Noon.Add(-time.Hour))
			seconds, _ = after(s, 100)
			require.Equal(t, -1, seconds, "an hour ago")
			s.Events[0].LastTimestamp, s.Events[0].InvolvedObject.UID = metav1.NewTime(fixture.Noon), "another"
			seconds, _ = after(s, 100)
			require.Equal(t, -1, seconds, "of an object of the same name that is gone")
		})
	}
	set.Pods = databases().Pods
	seconds, _ := after(set, 100)
	require.Equal(t, -1, seconds, "all pods are there by now")
}

func daemons() cluster.Snapshot {
	agent := record.Workload{Kind: "DaemonSet", Namespace: "portal", Name: "agent"}
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent", Namespace: "portal", UID: "a",
		Annotations: map[string]string{appsv1.DeprecatedTemplateGeneration: "2"}}}
	set.Status = appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, UpdatedNumberScheduled: 1, NumberAvailable: 1}
	p := fixture.Pod("agent-1", "agent", true)
	p.OwnerReferences, p.Labels["pod-template-generation"] = fixture.Owner("DaemonSet", "agent", "a"), "2"
	return cluster.Snapshot{Workloads: []record.Workload{agent}, DaemonSets: []*appsv1.DaemonSet{set}, Pods: []*corev1.Pod{p}}
}

func TestDaemonSets(t *testing.T) {
	require.True(t, New(nil).Decide(daemons(), fixture.Noon).Ready)

	old := daemons()
	old.Pods[0].Labels["pod-template-generation"] = "1"
	require.False(t, New(nil).Decide(old, fixture.Noon).Ready, "an old pod is no new one")
	old.DaemonSets[0].Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType
	replaced := New(nil).Decide(old, fixture.Noon)
	require.True(t, replaced.Ready, "somebody else replaces the pods")
	require.Equal(t, "DaemonSet/agent: 1 of 1 pods are of the revision before, as its update strategy wants it", replaced.Statuses[0].Note)

	broken := daemons()
	broken.Pods[0].Status = fixture.Pod("x", "x", false, fixture.Crashed(9, 1, "Error")).Status
	seconds, cause := after(broken, 60)
	require.Equal(t, 0, seconds)
	require.Equal(t, causes.CrashLoop, cause.Code)
	broken.Pods[0].Labels["pod-template-generation"] = "1"
	seconds, _ = after(broken, 60)
	require.Equal(t, -1, seconds, "trouble of old pods does not count")
}

// kubernetes/kubernetes#53023: a node that was lost long before must not put a healthy release back.
func TestADaemonSetDoesNotWaitForANodeThatIsLost(t *testing.T) {
	s := daemons()
	s.DaemonSets[0].Status = appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 1}
	p := fixture.With(fixture.Pod("agent-2", "agent", false), corev1.PodScheduled, corev1.ConditionTrue, "", "")
	p.Status.Conditions[1].LastTransitionTime = metav1.NewTime(fixture.Noon)
	p.OwnerReferences, p.Labels["pod-template-generation"] = fixture.Owner("DaemonSet", "agent", "a"), "2"
	p.Spec.NodeName, p.Status.Phase = "lost", corev1.PodPending
	s.Pods = append(s.Pods, p)
	j := New(nil)
	v := j.Decide(s, fixture.Noon)
	require.False(t, v.Ready)
	require.Equal(t, 30*time.Second, v.Again, "time alone changes it")
	v = j.Decide(s, fixture.Noon.Add(20*time.Second))
	require.False(t, v.Ready)
	require.Contains(t, v.Trouble, "node lost has not begun to start it")
	v = j.Decide(s, fixture.Noon.Add(30*time.Second))
	require.True(t, v.Ready, v.Progress)
	require.Equal(t, []string{"DaemonSet/agent: the nodes of 1 of its 2 pods have not begun to start them, and were not waited for"}, v.Notes)
	started := metav1.NewTime(fixture.Noon)
	p.Status.StartTime = &started
	require.False(t, j.Decide(s, fixture.Noon.Add(31*time.Second)).Ready, "the node is back")
}

func migration(conditions ...batchv1.JobCondition) cluster.Snapshot {
	w := record.Workload{Kind: "Job", Namespace: "portal", Name: "migrate"}
	return cluster.Snapshot{Workloads: []record.Workload{w}, Jobs: []*batchv1.Job{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "portal", Name: "migrate", UID: "m"}, Status: batchv1.JobStatus{Conditions: conditions}}}}
}

func jobPod(name string, status corev1.ContainerStatus) *corev1.Pod {
	p := fixture.Pod(name, "migrate", false, status)
	p.OwnerReferences = fixture.Owner("Job", "migrate", "m")
	return p
}

func TestAJobThatGivesUpFailsAtOnceWithItsPodsEnd(t *testing.T) {
	for _, reason := range []string{"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy"} {
		j := New(nil)
		running := migration()
		over := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, FinishedAt: metav1.NewTime(fixture.Noon)}}}
		running.Pods = []*corev1.Pod{jobPod("migrate-1", over)}
		require.Nil(t, j.Decide(running, fixture.Noon).Failed, "its own limit counts")
		gone := migration(batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: reason, Message: "Job has failed"})
		failed := j.Decide(gone, fixture.Noon).Failed
		require.Equal(t, record.Cause{Code: causes.JobFailed, Object: "Job/migrate", Reason: reason, Message: "Job has failed; pod migrate-1 container web exited with code 3"}, failed.Cause)
		require.Equal(t, "migrate-1", failed.Run.Pod, "its log is still known")
	}
}

func TestJobs(t *testing.T) {
	j := New(nil)
	require.False(t, j.Decide(migration(), fixture.Noon).Ready)
	require.True(t, j.Decide(migration(batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}), fixture.Noon).Ready)
	gone := migration()
	gone.Jobs = nil
	require.True(t, j.Decide(gone, fixture.Noon).Ready, "its time to live is over")

	stuck := migration()
	stuck.Pods = []*corev1.Pod{jobPod("migrate-1", fixture.Waiting("ErrImagePull", "not found"))}
	seconds, cause := after(stuck, 60)
	require.Equal(t, 3, seconds, "no limit of a Job counts what never starts")
	require.Equal(t, causes.ImageNotFound, cause.Code)
}

func TestRoomForAPodMayComeALittleAfterAnotherHasGone(t *testing.T) {
	j := New(nil)
	s := fixture.Deploying()
	s.ReplicaSets[1].Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota: q"}}
	s.Pods[0].DeletionTimestamp = &metav1.Time{Time: fixture.Noon}
	v := j.Decide(s, fixture.Noon)
	require.Nil(t, v.Failed)
	require.Contains(t, j.Timeout(v.Progress, time.Minute).Cause.Message, "exceeded quota", "but it is named")
	s.Pods = nil
	seconds, cause := afterBy(j, s, 600)
	require.Equal(t, 90, seconds, "a minute to notice and half a minute of grace")
	require.Equal(t, causes.QuotaExceeded, cause.Code)
}

func TestAReplicaSetWhoseRevisionIsNotTheDeploymentsYetIsWaitedFor(t *testing.T) {
	s := fixture.Deployed()
	s.Deployments[0].Annotations[revisionAnnotation] = "3" // a rollback takes up an old ReplicaSet
	require.False(t, New(nil).Decide(s, fixture.Noon).Ready)
	s.ReplicaSets[1].Annotations[revisionAnnotation] = "3"
	require.True(t, New(nil).Decide(s, fixture.Noon).Ready)
}

func TestABrokenNewPodDoesNotMakeAStatefulSetStuck(t *testing.T) {
	s := databases()
	s.Pods[1] = setPod("db-1", "r2", false, fixture.Waiting("ErrImagePull", "not found"))
	seconds, cause := afterBy(New(map[string]causes.Rule{causes.ImageNotFound: {Grace: 90 * time.Second}}), s, 600)
	require.Equal(t, 90, seconds)
	require.Equal(t, causes.ImageNotFound, cause.Code)
}
