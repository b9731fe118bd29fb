package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

const notFound = `failed to resolve reference "r.test/web@sha256:aa": r.test/web@sha256:aa: not found`

// The rows of facts section 3.1: what a container shows.
func TestFailuresByWhatAContainerShows(t *testing.T) {
	cases := map[string]struct {
		status  corev1.ContainerStatus
		seconds int // -1: never
		code    string
		message string
	}{
		"an invalid image name fails at once":    {fixture.Waiting("InvalidImageName", "invalid reference format"), 0, causes.InvalidName, "invalid reference format"},
		"a pull that is forbidden by its policy": {fixture.Waiting("ErrImageNeverPull", "not present"), 0, causes.NeverPull, "not present"},
		"a signature that the runtime refuses":   {fixture.Waiting("SignatureValidationFailed", "no signature"), 30, causes.SignatureRefused, "no signature"},
		// containerd/containerd#10066, cri-o/cri-o#8656: a verifier may not have been able to ask
		"a verifier of containerd's":             {fixture.Waiting("ErrImagePull", "failed to pull and unpack image: image verifier bindir blocked pull of r.test/web:1 with digest sha256:aa for reason: verifier policy rejected image (exit code 1): unsigned"), 30, causes.SignatureRefused, "blocked pull"},
		"a back-off after CRI-O's no":            {fixture.Waiting("ImagePullBackOff", `Back-off pulling image "x": SignatureValidationFailed: image pull failed for x because the signature validation failed: required email not found`), 30, causes.SignatureRefused, "required email"},
		"an image that is there, to CRI-O":       {fixture.Waiting("CreateContainerError", "verifying signatures: SignatureValidationFailed: required email not found"), 30, causes.SignatureRefused, "required email"},
		"an image that is not there":             {fixture.Waiting("ErrImagePull", notFound), 3, causes.ImageNotFound, notFound},
		"a back-off with the registry's words":   {fixture.Waiting("ImagePullBackOff", `Back-off pulling image "x": ErrImagePull: `+notFound), 3, causes.ImageNotFound, notFound},
		"access denied may be cured by a Secret": {fixture.Waiting("ErrImagePull", "401 Unauthorized"), 45, causes.PullDenied, "401 Unauthorized"},
		"a registry in trouble gets its time":    {fixture.Waiting("ErrImagePull", "503 Service Unavailable"), 120, causes.PullFailed, "503"},
		"Docker Hub's rate limit is no denial":   {fixture.Waiting("ErrImagePull", "429 Too Many Requests: toomanyrequests: access denied"), 120, causes.PullFailed, "toomanyrequests"},
		"a registry that does not answer":        {fixture.Waiting("RegistryUnavailable", "connection refused"), 120, causes.PullFailed, "connection refused"},
		"a back-off that says nothing":           {fixture.Waiting("ImagePullBackOff", `Back-off pulling image "x"`), 120, causes.PullFailed, "Back-off"},
		"an image that cannot be inspected":      {fixture.Waiting("ImageInspectError", "broken"), 60, causes.InspectFailed, "broken"},
		// containerd/containerd#13534
		"an image volume":                  {fixture.Waiting("CreateContainerError", "failed to mount image volume: ImageVolumeMountFailed: no"), 60, causes.ImageVolumeFailed, "no"},
		"a mount that cannot be read-only": {fixture.Waiting("CreateContainerError", `failed to create containerd container: RROUnsupported: "/a"`), 60, causes.ImageVolumeFailed, "/a"},
		"a mount that the kubelet refuses": {fixture.Waiting("CreateContainerConfigError", `failed to resolve recursive read-only mode: volume "a" requested recursive read-only mode, but it is not supported by the runtime`), 60, causes.ImageVolumeFailed, "recursive"},
		// kubernetes/kubernetes#101676
		"a path that cannot be prepared": {fixture.Waiting("CreateContainerConfigError", `failed to create subPath directory for volumeMount "data" of container "web"`), 30, causes.NotCreated, "subPath"},
		"a missing Secret may come late": {fixture.Waiting("CreateContainerConfigError", `secret "db" not found`), 25, causes.ConfigMissing, `secret "db" not found`},
		// lobu-ai/lobu#1228, paulbouwer/hello-kubernetes#35, kubestellar/console#6323
		"a user by name where none may be root":   {fixture.Waiting("CreateContainerConfigError", "container has runAsNonRoot and image has non-numeric user (node), cannot verify user is non-root"), 0, causes.RunsAsRoot, "runAsUser"},
		"root where none may be":                  {fixture.Waiting("CreateContainerConfigError", "container's runAsUser breaks non-root policy"), 0, causes.RunsAsRoot, "runAsUser"},
		"a missing key":                           {fixture.Waiting("CreateContainerConfigError", `couldn't find key x in Secret portal/db`), 25, causes.ConfigMissing, `key x`},
		"the kubelet's lagging cache is no fault": {fixture.Waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"), -1, "", ""},
		"a container that cannot be made":         {fixture.Waiting("CreateContainerError", "name is reserved"), 30, causes.NotCreated, "reserved"},
		"a hook before the making":                {fixture.Waiting("PreCreateHookError", "no"), 30, causes.NotCreated, "no"},
		"a hook before the start":                 {fixture.Waiting("PreStartHookError", "no"), 30, causes.NotCreated, "no"},
		"the first crash is tolerated":            {fixture.Crashed(0, 1, "Error"), -1, "", ""},
		"the second crash is tolerated":           {fixture.Crashed(1, 1, "Error"), -1, "", ""},
		"the third crash fails":                   {fixture.Crashed(2, 1, "Error"), 0, causes.CrashLoop, "exited 3 times, last with code 1"},
		"an end without an error is an end":       {fixture.Crashed(2, 0, "Completed"), 0, causes.CrashLoop, "exited 3 times, last with code 0 (Completed)"},
		"a signal has a name":                     {fixture.Crashed(2, 139, "Error"), 0, causes.CrashLoop, "code 139 (SIGSEGV)"},
		"memory once is tolerated":                {fixture.Crashed(0, 137, "OOMKilled"), -1, "", ""},
		"memory twice names its limit":            {fixture.Crashed(1, 137, "OOMKilled"), 0, causes.OOMKilled, "code 137 (SIGKILL, OOMKilled); its memory limit is 64Mi, raise it"},
		"a command that is not there, once":       {fixture.Crashed(0, 127, "Error"), -1, "", ""},
		"a command that is not there, twice":      {fixture.Crashed(1, 127, "Error"), 0, causes.NotStarted, "code 127"},
		"a command that is no program, twice":     {fixture.Crashed(1, 126, "Error"), 0, causes.NotStarted, "code 126"},
		"a start that fails twice":                {fixture.Crashed(1, 128, "StartError"), 0, causes.NotStarted, "code 128 (StartError)"},
		"creating is waited for":                  {fixture.Waiting("ContainerCreating", ""), -1, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := fixture.Pod("web-new", "new", false, c.status)
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
			seconds, cause := after(fixture.Deploying(p), 400)
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

func TestAStartThatFailsSaysWhy(t *testing.T) {
	c := fixture.Waiting("RunContainerError", "context deadline exceeded")
	c.RestartCount = 1
	c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: `exec: "nod": executable file not found in $PATH`}
	seconds, cause := after(fixture.Deploying(fixture.Pod("web-new", "new", false, c)), 60)
	require.Equal(t, 0, seconds)
	require.Equal(t, "RunContainerError", cause.Reason)
	require.Contains(t, cause.Message, `it said: exec: "nod": executable file not found in $PATH`)

	c.LastTerminationState.Terminated = nil
	c.State.Waiting.Reason, c.RestartCount = "PostStartHookError", 2
	_, cause = after(fixture.Deploying(fixture.Pod("web-new", "new", false, c)), 60)
	require.Equal(t, causes.CrashLoop, cause.Code)
	require.Equal(t, "exited 3 times: context deadline exceeded", cause.Message)
}

func TestInitContainers(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	one, done := fixture.Crashed(2, 1, "Error"), corev1.ContainerStatus{Name: "init", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}
	one.Name = "init"
	runs := corev1.ContainerStatus{Name: "init", State: fixture.Runs}
	for name, c := range map[string]struct {
		status  corev1.ContainerStatus
		restart *corev1.ContainerRestartPolicy
		code    string // "" when the rollout does not fail
		last    string // what a timeout names
	}{
		"one that crashes":                  {one, nil, causes.CrashLoop, "exited 3 times"},
		"one that hangs":                    {runs, nil, "", "init container 1 of 1 still runs"},
		"one that is done":                  {done, nil, "", "0 of 1 new pods ready"},
		"a sidecar runs for ever":           {runs, &always, "", "0 of 1 new pods ready"},
		"a sidecar that crashes":            {one, &always, causes.CrashLoop, "exited 3 times"},
		"a sidecar that ends without error": {done, &always, "", "exited once, with code 0"},
	} {
		t.Run(name, func(t *testing.T) {
			p := fixture.Pod("web-new", "new", false, fixture.Waiting("PodInitializing", ""))
			p.Spec.InitContainers = []corev1.Container{{Name: "init", RestartPolicy: c.restart}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{c.status}
			_, cause := after(fixture.Deploying(p), 400)
			require.Equal(t, c.code != "", cause != nil)
			if cause != nil {
				require.Equal(t, c.code, cause.Code)
				require.Equal(t, "init", cause.Container)
			}
			require.Contains(t, timedOut(fixture.Deploying(p)).Message, c.last)
		})
	}
}

func TestAnEventStandsInForAStatusThatComesLate(t *testing.T) {
	for name, c := range map[string]struct {
		event   *corev1.Event
		age     time.Duration
		seconds int
		code    string
	}{
		"a failed pull":               {fixture.Event("Pod", "web-new", "Failed", `Failed to pull image "x": `+notFound), 0, 3, causes.ImageNotFound},
		"a missing Secret":            {fixture.Event("Pod", "web-new", "Failed", `Error: secret "db" not found`), 0, 25, causes.ConfigMissing},
		"an invalid name":             {fixture.Event("Pod", "web-new", "InspectFailed", `couldn't parse image name "A:b:c"`), 0, 0, causes.InvalidName},
		"an image that must be there": {fixture.Event("Pod", "web-new", "ErrImageNeverPull", "not present"), 0, 0, causes.NeverPull},
		"the generic word":            {fixture.Event("Pod", "web-new", "Failed", "Error: ErrImagePull"), 0, -1, ""},
		"an old one":                  {fixture.Event("Pod", "web-new", "Failed", `Failed to pull image "x": `+notFound), time.Minute, -1, ""},
		"somebody else's":             {fixture.Event("Pod", "web-foreign", "Failed", `Failed to pull image "x": `+notFound), 0, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("PodInitializing", "")))
			c.event.LastTimestamp = metav1.NewTime(fixture.Noon.Add(-c.age))
			s.Events = []*corev1.Event{c.event}
			seconds, cause := after(s, 29)
			require.Equal(t, c.seconds, seconds)
			if cause != nil {
				require.Equal(t, c.code, cause.Code)
				require.Equal(t, "web", cause.Container)
			}
		})
	}
}

func TestAnotherArchitectureFailsAtTheFirstEnd(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(0, 255, "Error")))
	s.Lines = map[podstate.Run]cluster.Line{podstate.RunOf(s.Pods[0], fixture.Crashed(0, 255, "Error")): {Text: "exec /app: exec format error"}}
	seconds, cause := after(s, 60)
	require.Equal(t, 0, seconds)
	require.Equal(t, causes.WrongArchitecture, cause.Code)
}

func TestTheRegistrysWordsAtTheEndOfALongMessageCount(t *testing.T) {
	reference := "registry.example.com/a-rather-long-team-name/backstage-production@sha256:" + strings.Repeat("a", 64)
	message := `rpc error: code = NotFound desc = failed to pull and unpack image "` + reference + `": failed to resolve image: ` + reference +
		": failed to do request: " + strings.Repeat("x", 300) + ": not found"
	seconds, cause := after(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("ErrImagePull", message))), 60)
	require.Equal(t, 3, seconds)
	require.Equal(t, causes.ImageNotFound, cause.Code)
	require.True(t, strings.HasSuffix(cause.Message, ": not found"))
	require.LessOrEqual(t, len(cause.Message), wording.MaxLine+len(" … "))
}

func TestALogLineEndsTheWaitUnlessARestartMayHealIt(t *testing.T) {
	for name, c := range map[string]struct {
		restarts int32
		passing  bool
		ready    bool
		probe    *corev1.Probe
		seconds  int
	}{
		"a line that means never":                 {0, false, false, &corev1.Probe{}, 8},
		"a race, in the first run":                {0, true, false, &corev1.Probe{}, -1},
		"the same line again, in the second run":  {1, true, false, &corev1.Probe{}, 8},
		"a line of a container that became ready": {0, false, true, &corev1.Probe{}, -1},
		"the same where no probe vouches for it":  {0, false, true, nil, 8},
	} {
		t.Run(name, func(t *testing.T) {
			status := fixture.Running(c.restarts)
			status.Ready = c.ready
			s := fixture.Deploying(fixture.Pod("web-new", "new", c.ready, status))
			s.Pods[0].Spec.Containers[0].ReadinessProbe = c.probe
			s.Lines = map[podstate.Run]cluster.Line{podstate.RunOf(s.Pods[0], status): {Text: "Migration table is already locked", Transient: c.passing}}
			seconds, cause := after(s, 600)
			require.Equal(t, c.seconds, seconds)
			if cause != nil {
				require.Equal(t, causes.LogPattern, cause.Code)
			}
			if c.passing {
				require.Contains(t, timedOut(s).Message, "Migration table is already locked")
			}
		})
	}
}

// A release that mends only a Secret or a ConfigMap makes no new pod: the one that
// crashed for it is to be started again.
func TestEarlierLives_CrashesBeforeTheRevisionSayNothingAboutIt(t *testing.T) {
	for name, c := range map[string]struct {
		applied  time.Time
		restarts int32 // when it fails
	}{
		"a pod of the revision":             {fixture.Noon, 2},
		"a pod that is older":               {fixture.Noon.Add(time.Minute), 5},
		"when it was applied is not known":  {time.Time{}, 2},
		"a pod of the revision's own start": {fixture.Noon.Add(900 * time.Millisecond).Truncate(time.Second), 2},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(nil)
			j.Applied = c.applied
			for restarts := int32(2); restarts < c.restarts; restarts++ {
				v := j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(restarts, 1, "Error"))), fixture.Noon.Add(time.Duration(restarts)*time.Second))
				require.Nil(t, v.Failed, restarts)
			}
			v := j.Decide(fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Crashed(c.restarts, 1, "Error"))), fixture.Noon.Add(time.Minute))
			require.NotNil(t, v.Failed)
			require.Equal(t, causes.CrashLoop, v.Failed.Cause.Code)
		})
	}
}

// A database whose volume was full did not start any more, long before the deploy; its
// next start was minutes away, and all that was named was who waited for it:
// bitnami/charts#30441, holos-run/holos#97.
func TestEarlierLives_WhatWasBrokenBeforeIsNamedBesideWhatWaitsForIt(t *testing.T) {
	database := fixture.Pod("db-0", "new", false, fixture.Crashed(5, 1, "Error"))
	database.Status.ContainerStatuses[0].LastTerminationState.Terminated.Message = `FATAL: could not write lock file "postmaster.pid": No space left on device`
	const named = `Pod/db-0 container web: exited 6 times before this revision, last with code 1; it said: FATAL: could not write lock file "postmaster.pid": No space left on device`
	look := func(j *Judge, restarts int32, after time.Duration) Verdict {
		app := fixture.Pod("web-new", "new", false, fixture.Crashed(restarts, 1, "Error"))
		app.CreationTimestamp.Time = fixture.Noon.Add(time.Hour)
		return j.Decide(fixture.Deploying(app, database), fixture.Noon.Add(time.Hour+after))
	}
	begin := func() *Judge { j := New(nil); j.Applied = fixture.Noon.Add(time.Hour); return j }

	j := begin()
	v := look(j, 0, 0)
	require.Nil(t, v.Failed)
	cause := j.Timeout(v.Progress, time.Minute).Cause
	require.Equal(t, "Pod/web-new", cause.Object)
	require.Contains(t, cause.Message, named)

	v = look(begin(), 2, 0)
	require.NotNil(t, v.Failed)
	require.Equal(t, "Pod/web-new", v.Failed.Cause.Object)
	require.Contains(t, v.Failed.Cause.Message, named)

	j = begin()
	look(j, 2, 0)
	database.Status.ContainerStatuses[0].RestartCount++ // it has been tried again meanwhile
	v = look(j, 2, time.Minute)
	require.Contains(t, v.Failed.Cause.Message, `Pod/db-0 container web: exited once, with code 1; it said: FATAL: could not write lock file`)

	j = begin()
	v = j.Decide(fixture.Deploying(database), fixture.Noon.Add(time.Hour))
	require.Contains(t, v.Trouble, "exited 7 times before this revision")
	v = j.Decide(fixture.Deploying(database), fixture.Noon.Add(2*time.Hour))
	require.Nil(t, v.Failed, "it is no fault of the revision")
	require.Equal(t, "Pod/db-0", j.Timeout(v.Progress, time.Minute).Cause.Object)
}

// aquasecurity/aqua-helm#255, aquasecurity/aqua-helm#322, metrico/gigapipe-helm#9, confluentinc/confluent-kubernetes-examples#276
func TestADeniedPullNamesThePullSecretThatIsNotThere(t *testing.T) {
	s := fixture.Deploying(fixture.Pod("web-new", "new", false, fixture.Waiting("ErrImagePull", "failed to authorize: 401 Unauthorized")))
	s.Events = []*corev1.Event{fixture.Event("Pod", "web-new", "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (registry-login); attempting to pull the image may not succeed.")}
	seconds, cause := after(s, 400)
	require.Equal(t, 45, seconds)
	require.Equal(t, causes.PullDenied, cause.Code)
	require.Equal(t, "failed to authorize: 401 Unauthorized; imagePullSecrets of the pod that are not in its namespace: registry-login, so that it was pulled without them", cause.Message)
	// The kubelet of Kubernetes 1.37 says it when the pull has failed, and so after the first look that shows that.
	j, early := New(nil), s
	early.Events = nil
	j.Decide(early, fixture.Noon)
	for second := range 46 {
		v := j.Decide(s, fixture.Noon.Add(time.Duration(second)*time.Second))
		require.Equal(t, second == 45, v.Failed != nil)
		require.Contains(t, v.Trouble, ": failed to authorize: 401 Unauthorized; imagePullSecrets of the pod that are not in its namespace: registry-login, so that")
	}
	// An image that needs none is pulled.
	running := fixture.Deployed()
	running.Events = s.Events
	require.True(t, New(nil).Decide(running, fixture.Noon).Ready)
}
