package rollout

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
)

func TestReadyMeansNewPodsOnly(t *testing.T) {
	v := newJudge(nil).decide(deployed(), noon)
	require.True(t, v.ready)
	require.Len(t, v.statuses[0].proven, 1)

	for name, change := range map[string]func(*snapshot){
		"an old pod is still there":                 func(s *snapshot) { s.deployments[0].Status.Replicas = 2 },
		"the controller has not seen it":            func(s *snapshot) { s.deployments[0].Status.ObservedGeneration = 1 },
		"the cache shows the generation before":     func(s *snapshot) { s.least[web] = 3 },
		"available, but not for minReadySeconds":    func(s *snapshot) { s.deployments[0].Status.AvailableReplicas = 0 },
		"the pod is not ready":                      func(s *snapshot) { s.pods[0] = pod("web-new", "new", false) },
		"the pod is going":                          func(s *snapshot) { s.pods[0].DeletionTimestamp = &metav1.Time{Time: noon} },
		"the Deployment is not in the cache yet":    func(s *snapshot) { s.deployments = nil },
		"its ReplicaSet is not in the cache yet":    func(s *snapshot) { s.replicaSets = s.replicaSets[:1] },
		"another workload of the release is waited": func(s *snapshot) { s.workloads = append(s.workloads, record.Workload{Kind: "Job", Name: "j"}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := deployed()
			change(&s)
			v := newJudge(nil).decide(s, noon)
			require.False(t, v.ready)
			require.Nil(t, v.failed)
			require.Contains(t, v.progress, "waiting for ")
		})
	}
}

func TestAnOldPodThatIsSlowToEndHoldsNothingUp(t *testing.T) {
	s := deployed()
	old := pod("web-old", "old", true)
	old.DeletionTimestamp = &metav1.Time{Time: noon}
	s.pods = append(s.pods, old)
	require.True(t, newJudge(nil).decide(s, noon).ready)
}

func TestScaledAndChangedAtOnceTheOldReplicaSetIsNotTheNewOne(t *testing.T) {
	s := deployed() // the controller has only scaled yet: revision 1 is still the annotation
	s.deployments[0].Annotations[revisionAnnotation] = "1"
	s.replicaSets, s.pods = s.replicaSets[:1], []*corev1.Pod{pod("web-old", "old", false, crashed(9, 1, "Error"))}
	v := newJudge(nil).decide(s, noon)
	require.False(t, v.ready)
	require.Nil(t, v.failed)
	require.Equal(t, "waiting for Deployment/web: no ReplicaSet yet", v.progress)
}

func TestNoReplicasIsASuccessThatSaysWhatItIsWorth(t *testing.T) {
	s, none := deployed(), int32(0)
	s.pods, s.deployments[0].Spec.Replicas = nil, &none
	s.deployments[0].Status = appsv1.DeploymentStatus{ObservedGeneration: 2}
	v := newJudge(nil).decide(s, noon)
	require.True(t, v.ready)
	require.Equal(t, "Deployment/web has 0 replicas: nothing ran and nothing was proven", v.statuses[0].note)
}

func TestTroubleOfOldPodsDoesNotCount(t *testing.T) {
	s := deploying()
	s.pods = []*corev1.Pod{pod("web-old", "old", false, crashed(9, 1, "Error"))}
	seconds, _ := after(s, 600)
	require.Equal(t, -1, seconds)
}

// The rows of facts section 3.4: what controllers say.
func TestWhatControllersSay(t *testing.T) {
	failure := func(message string) func(*snapshot) {
		return func(s *snapshot) {
			s.replicaSets[1].Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message}}
		}
	}
	progressing := func(reason, message string) func(*snapshot) {
		return func(s *snapshot) {
			s.deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: reason, Message: message}}
		}
	}
	cases := map[string]struct {
		change  func(*snapshot)
		seconds int
		code    string
	}{
		"quota":                     {failure(`pods "web-x" is forbidden: exceeded quota: q`), 30, codeQuota},
		"a quota that wants limits": {failure(`pods "web-x" is forbidden: failed quota: q: must specify limits.cpu`), 30, codeQuota},
		"a webhook says no":         {failure(`admission webhook "p" denied the request: no`), 5, codeAdmission},
		"a policy says no":          {failure(`ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`), 5, codeAdmission},
		"pod security":              {failure(`pods "web-x" is forbidden: violates PodSecurity "restricted:latest"`), 5, codeAdmission},
		"a webhook is away":         {failure(`failed calling webhook "p": no endpoints available for service "p"`), 60, codeWebhook},
		"no service account":        {failure(`error looking up service account portal/web: serviceaccount "web" not found`), 30, codeServiceAccount},
		"anything else":             {failure(`maximum cpu usage per Container is 1`), 30, codePodCreate},
		"while a new pod starts there may be room soon": {func(s *snapshot) {
			failure(`exceeded quota: q`)(s)
			s.pods = append(s.pods, creatingPod())
		}, -1, ""},
		"while an old pod goes there is room soon": {func(s *snapshot) {
			failure(`exceeded quota: q`)(s)
			s.pods[0].DeletionTimestamp = &metav1.Time{Time: noon}
		}, -1, ""},
		"the ReplicaSet cannot be made": {func(s *snapshot) {
			progressing("ReplicaSetCreateError", "replicasets is forbidden")(s)
			s.replicaSets = s.replicaSets[:1]
		}, 0, codeReplicaSet},
		"the ReplicaSet cannot be made right now": {func(s *snapshot) {
			progressing("ReplicaSetCreateError", "failed calling webhook")(s)
			s.replicaSets = s.replicaSets[:1]
		}, 60, codeWebhook},
		"an old word about a ReplicaSet that is there": {progressing("ReplicaSetCreateError", "x"), -1, ""},
		"the deadline of the Deployment itself":        {progressing("ProgressDeadlineExceeded", "timed out"), 0, codeDeadline},
		"paused":                                       {func(s *snapshot) { s.deployments[0].Spec.Paused = true }, 0, codePaused},
		"somebody deletes it":                          {func(s *snapshot) { s.deployments = nil }, 10, codeDeleted},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := deploying()
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
	s := deploying(pod("web-new", "new", false, waiting("ErrImagePull", "503 Service Unavailable")))
	s.deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing,
		Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "has timed out progressing"}}
	_, cause := after(s, 0)
	require.Equal(t, record.Cause{Code: codeDeadline, Object: "Pod/web-new", Container: "web", Reason: "ErrImagePull",
		Message: "has timed out progressing: 503 Service Unavailable"}, *cause)

	// A probe that fails is waited for; it explains all the same.
	s = deploying(pod("web-new", "new", false, running(0)))
	s.deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing,
		Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "has timed out progressing"}}
	s.events = []*corev1.Event{event("Pod", "web-new", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")}
	_, cause = after(s, 0)
	require.Equal(t, "rollout/progress-deadline", cause.Code)
	require.Contains(t, cause.Message, "statuscode: 503")
}

var db = record.Workload{Kind: "StatefulSet", Namespace: "portal", Name: "db"}

// databases is a StatefulSet of two whose second pod is of the new revision.
func databases() snapshot {
	two := int32(2)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "portal", UID: "s", Generation: 2}, Spec: appsv1.StatefulSetSpec{Replicas: &two}}
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: 2, Replicas: 2, ReadyReplicas: 2, AvailableReplicas: 2, UpdatedReplicas: 1, CurrentRevision: "r1", UpdateRevision: "r2"}
	return snapshot{workloads: []record.Workload{db}, statefulSets: []*appsv1.StatefulSet{set}, pods: []*corev1.Pod{member0("r1"), member1("r2", true)}}
}

func setPod(name, revision string, ready bool, statuses ...corev1.ContainerStatus) *corev1.Pod {
	p := pod(name, "db", ready, statuses...)
	p.OwnerReferences = owner("StatefulSet", "db", "s")
	p.Labels[appsv1.ControllerRevisionHashLabelKey] = revision
	return p
}

func member0(revision string) *corev1.Pod             { return setPod("db-0", revision, true) }
func member1(revision string, ready bool) *corev1.Pod { return setPod("db-1", revision, ready) }

func TestStatefulSets(t *testing.T) {
	one := int32(1)
	for name, c := range map[string]struct {
		change func(*appsv1.StatefulSet, *snapshot)
		ready  bool
		note   string
	}{
		"one pod is old": {func(*appsv1.StatefulSet, *snapshot) {}, false, ""},
		"both are new": {func(set *appsv1.StatefulSet, s *snapshot) {
			set.Status.UpdatedReplicas, s.pods[0] = 2, member0("r2")
		}, true, ""},
		"both are new, one only just": {func(set *appsv1.StatefulSet, s *snapshot) {
			set.Status.UpdatedReplicas, s.pods[0], set.Status.AvailableReplicas = 2, member0("r2"), 1
		}, false, ""},
		"a partition keeps the first one": {func(set *appsv1.StatefulSet, _ *snapshot) {
			set.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &one}
		}, true, "StatefulSet/db: 1 of 2 pods are of the revision before, as its update strategy wants it"},
		"somebody else replaces the pods": {func(set *appsv1.StatefulSet, _ *snapshot) {
			set.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType
		}, true, "StatefulSet/db: 1 of 2 pods are of the revision before, as its update strategy wants it"},
		"its controller has not seen it": {func(set *appsv1.StatefulSet, s *snapshot) {
			set.Status.UpdatedReplicas, s.pods[0], set.Generation = 2, member0("r2"), 3
		}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := databases()
			c.change(s.statefulSets[0], &s)
			v := newJudge(nil).decide(s, noon)
			require.Equal(t, c.ready, v.ready)
			require.Equal(t, c.note, v.statuses[0].note)
		})
	}
}

func TestAStatefulSetThatWaitsForABrokenOldPodIsStuck(t *testing.T) {
	broken := func(status corev1.ContainerStatus) snapshot {
		s := databases()
		s.pods[1] = setPod("db-1", "r1", false, status)
		return s
	}
	seconds, cause := after(broken(waiting("ImagePullBackOff", "Back-off: not found")), 600)
	require.Equal(t, 30, seconds)
	require.Equal(t, codeStuck, cause.Code)
	require.Equal(t, "Pod/db-1", cause.Object)
	require.Contains(t, cause.Message, "ImagePullBackOff: Back-off: not found")
	require.Contains(t, cause.Message, "deleting it, as a rollback does, frees the rollout")

	slow := broken(running(0))
	seconds, _ = after(slow, 600)
	require.Equal(t, -1, seconds, "an old pod that merely starts")
	parallel := broken(crashed(5, 1, "Error"))
	parallel.statefulSets[0].Spec.PodManagementPolicy = appsv1.ParallelPodManagement
	seconds, _ = after(parallel, 600)
	require.Equal(t, -1, seconds, "this one is replaced")
}

func TestControllersThatTellOnlyByEventsThatTheyCannotMakeAPod(t *testing.T) {
	failed := func(kind, name string, uid types.UID) *corev1.Event {
		e := event(kind, name, "FailedCreate", "exceeded quota: q")
		e.InvolvedObject.UID = uid
		return e
	}
	set := databases()
	set.pods = set.pods[:1]
	set.events = []*corev1.Event{failed("StatefulSet", "db", "s")}
	agents := daemons()
	agents.pods, agents.events = nil, []*corev1.Event{failed("DaemonSet", "agent", "a")}
	job := migration()
	job.events = []*corev1.Event{failed("Job", "migrate", "m")}
	for name, s := range map[string]snapshot{"StatefulSet": set, "DaemonSet": agents, "Job": job} {
		t.Run(name, func(t *testing.T) {
			seconds, cause := after(s, 100)
			require.Equal(t, 30, seconds)
			require.Equal(t, codeQuota, cause.Code)
			s.events[0].LastTimestamp = metav1.NewTime(noon.Add(-time.Hour))
			seconds, _ = after(s, 100)
			require.Equal(t, -1, seconds, "an hour ago")
			s.events[0].LastTimestamp, s.events[0].InvolvedObject.UID = metav1.NewTime(noon), "another"
			seconds, _ = after(s, 100)
			require.Equal(t, -1, seconds, "of an object of the same name that is gone")
		})
	}
	set.pods = databases().pods
	seconds, _ := after(set, 100)
	require.Equal(t, -1, seconds, "all pods are there by now")
}

func daemons() snapshot {
	agent := record.Workload{Kind: "DaemonSet", Namespace: "portal", Name: "agent"}
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent", Namespace: "portal", UID: "a",
		Annotations: map[string]string{appsv1.DeprecatedTemplateGeneration: "2"}}}
	set.Status = appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, UpdatedNumberScheduled: 1, NumberAvailable: 1}
	p := pod("agent-1", "agent", true)
	p.OwnerReferences, p.Labels["pod-template-generation"] = owner("DaemonSet", "agent", "a"), "2"
	return snapshot{workloads: []record.Workload{agent}, daemonSets: []*appsv1.DaemonSet{set}, pods: []*corev1.Pod{p}}
}

func TestDaemonSets(t *testing.T) {
	require.True(t, newJudge(nil).decide(daemons(), noon).ready)

	old := daemons()
	old.pods[0].Labels["pod-template-generation"] = "1"
	require.False(t, newJudge(nil).decide(old, noon).ready, "an old pod is no new one")
	old.daemonSets[0].Spec.UpdateStrategy.Type = appsv1.OnDeleteDaemonSetStrategyType
	require.True(t, newJudge(nil).decide(old, noon).ready, "somebody else replaces the pods")

	broken := daemons()
	broken.pods[0].Status = pod("x", "x", false, crashed(9, 1, "Error")).Status
	seconds, cause := after(broken, 60)
	require.Equal(t, 0, seconds)
	require.Equal(t, codeCrash, cause.Code)
	broken.pods[0].Labels["pod-template-generation"] = "1"
	seconds, _ = after(broken, 60)
	require.Equal(t, -1, seconds, "trouble of old pods does not count")
}

func migration(conditions ...batchv1.JobCondition) snapshot {
	w := record.Workload{Kind: "Job", Namespace: "portal", Name: "migrate"}
	return snapshot{workloads: []record.Workload{w}, jobs: []*batchv1.Job{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "portal", Name: "migrate", UID: "m"}, Status: batchv1.JobStatus{Conditions: conditions}}}}
}

func jobPod(name string, status corev1.ContainerStatus) *corev1.Pod {
	p := pod(name, "migrate", false, status)
	p.OwnerReferences = owner("Job", "migrate", "m")
	return p
}

func TestAJobThatGivesUpFailsAtOnceWithItsPodsEnd(t *testing.T) {
	for _, reason := range []string{"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy"} {
		j := newJudge(nil)
		running := migration()
		over := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, FinishedAt: metav1.NewTime(noon)}}}
		running.pods = []*corev1.Pod{jobPod("migrate-1", over)}
		require.Nil(t, j.decide(running, noon).failed, "its own limit counts")
		gone := migration(batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: reason, Message: "Job has failed"})
		failed := j.decide(gone, noon).failed
		require.Equal(t, record.Cause{Code: codeJob, Object: "Job/migrate", Reason: reason, Message: "Job has failed; pod migrate-1 container web exited with code 3"}, failed.cause)
		require.Equal(t, "migrate-1", failed.run.pod, "its log is still known")
	}
}

func TestJobs(t *testing.T) {
	j := newJudge(nil)
	require.False(t, j.decide(migration(), noon).ready)
	require.True(t, j.decide(migration(batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}), noon).ready)
	gone := migration()
	gone.jobs = nil
	require.True(t, j.decide(gone, noon).ready, "its time to live is over")

	stuck := migration()
	stuck.pods = []*corev1.Pod{jobPod("migrate-1", waiting("ErrImagePull", "not found"))}
	seconds, cause := after(stuck, 60)
	require.Equal(t, 3, seconds, "no limit of a Job counts what never starts")
	require.Equal(t, codeNotFound, cause.Code)
}

func TestRoomForAPodMayComeALittleAfterAnotherHasGone(t *testing.T) {
	j := newJudge(nil)
	s := deploying()
	s.replicaSets[1].Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota: q"}}
	s.pods[0].DeletionTimestamp = &metav1.Time{Time: noon}
	v := j.decide(s, noon)
	require.Nil(t, v.failed)
	require.Contains(t, j.timeout(v.progress, time.Minute).cause.Message, "exceeded quota", "but it is named")
	s.pods = nil
	seconds, cause := afterBy(j, s, 600)
	require.Equal(t, 90, seconds, "a minute to notice and half a minute of grace")
	require.Equal(t, codeQuota, cause.Code)
}

func TestAReplicaSetWhoseRevisionIsNotTheDeploymentsYetIsWaitedFor(t *testing.T) {
	s := deployed()
	s.deployments[0].Annotations[revisionAnnotation] = "3" // a rollback takes up an old ReplicaSet
	require.False(t, newJudge(nil).decide(s, noon).ready)
	s.replicaSets[1].Annotations[revisionAnnotation] = "3"
	require.True(t, newJudge(nil).decide(s, noon).ready)
}

func TestABrokenNewPodDoesNotMakeAStatefulSetStuck(t *testing.T) {
	s := databases()
	s.pods[1] = setPod("db-1", "r2", false, waiting("ErrImagePull", "not found"))
	seconds, cause := afterBy(newJudge(map[string]Rule{codeNotFound: {Grace: 90 * time.Second}}), s, 600)
	require.Equal(t, 90, seconds)
	require.Equal(t, codeNotFound, cause.Code)
}
