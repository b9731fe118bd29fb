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

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

var (
	web   = pipeline.Workload{Kind: "Deployment", Namespace: "portal", Name: "web"}
	noon  = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	owner = func(kind, name string, uid types.UID) []metav1.OwnerReference {
		yes := true
		return []metav1.OwnerReference{{Kind: kind, Name: name, UID: uid, Controller: &yes}}
	}
)

// deploying is a Deployment of one replica in the middle of its second revision.
func deploying(pods ...*corev1.Pod) snapshot {
	one := int32(1)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "portal", UID: "d", Generation: 2, Annotations: map[string]string{revisionAnnotation: "2"}},
		Spec:       appsv1.DeploymentSpec{Replicas: &one},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 2, UpdatedReplicas: 1, AvailableReplicas: 1},
	}
	sets := []*appsv1.ReplicaSet{replicaSet("old", "1"), replicaSet("new", "2")}
	return snapshot{workloads: []pipeline.Workload{web}, least: map[pipeline.Workload]int64{web: 2},
		deployments: []*appsv1.Deployment{d}, replicaSets: sets, pods: append(pods, pod("web-old", "old", true))}
}

func replicaSet(name, revision string) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "portal", UID: types.UID(name),
		Annotations: map[string]string{revisionAnnotation: revision}, OwnerReferences: owner("Deployment", "web", "d")}}
}

func pod(name, set string, ready bool, statuses ...corev1.ContainerStatus) *corev1.Pod {
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	if ready {
		condition.Status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "portal", UID: types.UID(name), OwnerReferences: owner("ReplicaSet", set, types.UID(set))},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Ports: []corev1.ContainerPort{{ContainerPort: 9}, {Name: "http", ContainerPort: 7007}}}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{condition}, ContainerStatuses: statuses},
	}
}

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func crashed(restarts int32, reason string) corev1.ContainerStatus {
	c := waiting("CrashLoopBackOff", "back-off 10s")
	c.RestartCount = restarts
	c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: reason}
	return c
}

// after judges the same look again and again, once a second, and says after how
// many seconds the rollout failed; -1 when it did not within limit seconds.
func after(s snapshot, limit int) (int, *pipeline.Cause) {
	j := newJudge(Graces{}.withDefaults())
	for second := range limit + 1 {
		if v := j.decide(s, noon.Add(time.Duration(second)*time.Second)); v.cause != nil {
			return second, v.cause
		}
	}
	return -1, nil
}

func TestFailuresByWhatAContainerShows(t *testing.T) {
	const notFound = `failed to resolve reference "r.test/web@sha256:aa": r.test/web@sha256:aa: not found`
	cases := map[string]struct {
		status  corev1.ContainerStatus
		seconds int // -1: not within an hour
		code    string
		message string
	}{
		"an invalid image name fails at once":     {waiting("InvalidImageName", "invalid reference format"), 0, codeInvalidName, "invalid reference format"},
		"a pull that is forbidden by its policy":  {waiting("ErrImageNeverPull", "not present"), 0, codeNeverPull, "not present"},
		"an image that is not there":              {waiting("ErrImagePull", notFound), 3, codeNotFound, notFound},
		"a back-off with the registry's words":    {waiting("ImagePullBackOff", `Back-off pulling image "x": ErrImagePull: `+notFound), 3, codeNotFound, notFound},
		"access denied may be cured by a Secret":  {waiting("ErrImagePull", "401 Unauthorized"), 45, codeDenied, "401 Unauthorized"},
		"a registry in trouble gets its time":     {waiting("ErrImagePull", "503 Service Unavailable"), 120, codePull, "503"},
		"a missing Secret may come late":          {waiting("CreateContainerConfigError", `secret "db" not found`), 15, codeConfig, `secret "db" not found`},
		"the kubelet's lagging cache is no fault": {waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"), -1, "", ""},
		"a container that cannot be made":         {waiting("RunContainerError", `exec: "nod": not found in $PATH`), 30, codeCreate, `exec: "nod"`},
		"the first crash is tolerated":            {crashed(0, "Error"), -1, "", ""},
		"the second crash is tolerated":           {crashed(1, "Error"), -1, "", ""},
		"the third crash fails":                   {crashed(2, "Error"), 0, codeCrash, "it ended 3 times, with exit code 1"},
		"memory is named":                         {crashed(2, "OOMKilled"), 0, codeOOM, "raise its memory limit"},
		"creating is waited for":                  {waiting("ContainerCreating", ""), -1, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			seconds, cause := after(deploying(pod("web-new", "new", false, c.status)), 3600)
			require.Equal(t, c.seconds, seconds)
			if c.seconds < 0 {
				return
			}
			require.Equal(t, c.code, cause.Code)
			require.Equal(t, "Pod/web-new", cause.Object)
			require.Equal(t, "web", cause.Container)
			require.Contains(t, cause.Message, c.message)
		})
	}
}

func TestTroubleOfOldPodsDoesNotCount(t *testing.T) {
	s := deploying()
	s.pods = []*corev1.Pod{pod("web-old", "old", false, crashed(9, "Error"))}
	seconds, _ := after(s, 600)
	require.Equal(t, -1, seconds)
}

func TestTheFirstSpecificMessageIsKept(t *testing.T) {
	j := newJudge(Graces{NotFound: time.Minute, Pull: time.Minute})
	first := deploying(pod("web-new", "new", false, waiting("ErrImagePull", "manifest unknown")))
	require.Nil(t, j.decide(first, noon).cause)
	later := deploying(pod("web-new", "new", false, waiting("ImagePullBackOff", `Back-off pulling image "web"`)))
	require.Nil(t, j.decide(later, noon.Add(30*time.Second)).cause)
	cause := j.decide(later, noon.Add(time.Minute)).cause
	require.Equal(t, codeNotFound, cause.Code)
	require.Equal(t, "manifest unknown", cause.Message)
}

func TestATroubleThatGoesAwayStartsAnew(t *testing.T) {
	j := newJudge(Graces{}.withDefaults())
	bad := deploying(pod("web-new", "new", false, waiting("CreateContainerConfigError", `secret "db" not found`)))
	require.Nil(t, j.decide(bad, noon).cause)
	require.Nil(t, j.decide(deploying(pod("web-new", "new", false)), noon.Add(15*time.Second)).cause)
	require.Nil(t, j.decide(bad, noon.Add(30*time.Second)).cause)
	require.NotNil(t, j.decide(bad, noon.Add(51*time.Second)).cause)
}

func TestReadyMeansNewPodsOnly(t *testing.T) {
	complete := func() snapshot {
		s := deploying(pod("web-new", "new", true))
		s.deployments[0].Status.Replicas = 1
		return s
	}
	v := newJudge(Graces{}.withDefaults()).decide(complete(), noon)
	require.True(t, v.ready)
	require.Equal(t, []pipeline.Pod{{Namespace: "portal", Name: "web-new", Port: 7007}}, v.pods)

	for name, change := range map[string]func(*snapshot){
		"an old pod is still there":                 func(s *snapshot) { s.deployments[0].Status.Replicas = 2 },
		"the controller has not seen it":            func(s *snapshot) { s.deployments[0].Status.ObservedGeneration = 1 },
		"the cache shows the generation before":     func(s *snapshot) { s.least[web] = 3 },
		"available, but not for minReadySeconds":    func(s *snapshot) { s.deployments[0].Status.AvailableReplicas = 0 },
		"the pod is not ready":                      func(s *snapshot) { s.pods[0] = pod("web-new", "new", false) },
		"the pod is going":                          func(s *snapshot) { s.pods[0].DeletionTimestamp = &metav1.Time{Time: noon} },
		"the Deployment is not in the cache yet":    func(s *snapshot) { s.deployments = nil },
		"its ReplicaSet is not in the cache yet":    func(s *snapshot) { s.replicaSets = s.replicaSets[:1] },
		"another workload of the release is waited": func(s *snapshot) { s.workloads = append(s.workloads, pipeline.Workload{Kind: "Job", Name: "j"}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := complete()
			change(&s)
			v := newJudge(Graces{}.withDefaults()).decide(s, noon)
			require.False(t, v.ready)
			require.Nil(t, v.cause)
			require.Contains(t, v.progress, "waiting for ")
		})
	}
}

func TestWhatControllersSay(t *testing.T) {
	failure := func(message string) func(*snapshot) {
		return func(s *snapshot) {
			s.replicaSets[1].Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message}}
		}
	}
	cases := map[string]struct {
		change  func(*snapshot)
		seconds int
		code    string
	}{
		"quota":     {failure(`pods "web-x" is forbidden: exceeded quota: q`), 30, codeQuota},
		"admission": {failure(`admission webhook "p" denied the request: no`), 5, codeAdmission},
		"other":     {failure(`error looking up service account`), 30, codePodCreate},
		"paused":    {func(s *snapshot) { s.deployments[0].Spec.Paused = true }, 0, codePaused},
		"deadline": {func(s *snapshot) {
			s.deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}}
		}, 0, codeDeadline},
		"unschedulable": {func(s *snapshot) {
			p := pod("web-new", "new", false)
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes"}}
			s.pods = append(s.pods, p)
		}, 120, codeUnschedulable},
		"a volume": {func(s *snapshot) {
			s.pods = append(s.pods, pod("web-new", "new", false, waiting("ContainerCreating", "")))
			s.events = []*corev1.Event{{InvolvedObject: corev1.ObjectReference{UID: "web-new"}, Reason: "FailedMount", Message: `configmap "c" not found`}}
		}, 45, codeMount},
		"a log line": {func(s *snapshot) {
			s.pods = append(s.pods, pod("web-new", "new", false, corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}))
			s.logLines = map[container]string{{"portal", "web-new", "web", 0}: "Backend startup failed"}
		}, 8, codeLogPattern},
		"a job": {func(s *snapshot) {
			s.workloads = []pipeline.Workload{{Kind: "Job", Namespace: "portal", Name: "j"}}
			s.jobs = []*batchv1.Job{{ObjectMeta: metav1.ObjectMeta{Namespace: "portal", Name: "j"}, Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}}}}
		}, 0, codeJob},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := deploying()
			c.change(&s)
			seconds, cause := after(s, 600)
			require.Equal(t, c.seconds, seconds)
			require.Equal(t, c.code, cause.Code)
		})
	}
}

func TestATimeoutNamesWhatWasWrong(t *testing.T) {
	j := newJudge(Graces{}.withDefaults())
	v := j.decide(deploying(pod("web-new", "new", false, waiting("ErrImagePull", "503 Service Unavailable"))), noon)
	cause := j.timeout(v.progress, 90*time.Second)
	require.Equal(t, codeTimeout, cause.Code)
	require.Equal(t, "Pod/web-new", cause.Object)
	require.Equal(t, "waiting for Deployment/web: 0 of 1 new pods ready, 1 old after 90s: 503 Service Unavailable", cause.Message)
}

func TestTheTellingLineOfALog(t *testing.T) {
	for name, c := range map[string]struct{ log, want string }{
		"an error before its stack":  {"starting\nError: Cannot find module 'x'\n    at main.js:1\n", "Error: Cannot find module 'x'"},
		"the message of a JSON line": {`{"level":"error","message":"Plugin 'app' failed: TypeError"}`, "Plugin 'app' failed: TypeError"},
		"else the last line":         {"one\ntwo\n\n", "two"},
		"nothing":                    {"", ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, telling(c.log)) })
	}
}

func TestALineThatARestartHealsDoesNotCount(t *testing.T) {
	patterns, err := compile([]string{"startup failed"})
	require.NoError(t, err)
	passing, err := compile([]string{"already locked"})
	require.NoError(t, err)
	l := logs{patterns: patterns, passing: passing}
	require.True(t, l.matches("startup failed: no route"))
	require.False(t, l.matches("startup failed: Migration table is already locked"))
	require.False(t, l.matches("started"))
	_, err = compile([]string{"("})
	require.ErrorContains(t, err, `log pattern "("`)
}
