package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
		"an invalid image name fails at once":     {waiting("InvalidImageName", "invalid reference format"), 0, codeInvalidName, "invalid reference format"},
		"a pull that is forbidden by its policy":  {waiting("ErrImageNeverPull", "not present"), 0, codeNeverPull, "not present"},
		"a signature that the runtime refuses":    {waiting("SignatureValidationFailed", "no signature"), 0, codeSignature, "no signature"},
		"an image that is not there":              {waiting("ErrImagePull", notFound), 3, codeNotFound, notFound},
		"a back-off with the registry's words":    {waiting("ImagePullBackOff", `Back-off pulling image "x": ErrImagePull: `+notFound), 3, codeNotFound, notFound},
		"access denied may be cured by a Secret":  {waiting("ErrImagePull", "401 Unauthorized"), 45, codeDenied, "401 Unauthorized"},
		"a registry in trouble gets its time":     {waiting("ErrImagePull", "503 Service Unavailable"), 120, codePull, "503"},
		"Docker Hub's rate limit is no denial":    {waiting("ErrImagePull", "429 Too Many Requests: toomanyrequests: access denied"), 120, codePull, "toomanyrequests"},
		"a registry that does not answer":         {waiting("RegistryUnavailable", "connection refused"), 120, codePull, "connection refused"},
		"a back-off that says nothing":            {waiting("ImagePullBackOff", `Back-off pulling image "x"`), 120, codePull, "Back-off"},
		"an image that cannot be inspected":       {waiting("ImageInspectError", "broken"), 60, codeInspect, "broken"},
		"an image volume":                         {waiting("ImageVolumeMountFailed", "no"), 60, codeImageVolume, "no"},
		"a mount that cannot be read-only":        {waiting("RROUnsupported", "no"), 60, codeImageVolume, "no"},
		"a missing Secret may come late":          {waiting("CreateContainerConfigError", `secret "db" not found`), 25, codeConfig, `secret "db" not found`},
		"a missing key":                           {waiting("CreateContainerConfigError", `couldn't find key x in Secret portal/db`), 25, codeConfig, `key x`},
		"the kubelet's lagging cache is no fault": {waiting("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"), -1, "", ""},
		"a container that cannot be made":         {waiting("CreateContainerError", "name is reserved"), 30, codeCreate, "reserved"},
		"a hook before the making":                {waiting("PreCreateHookError", "no"), 30, codeCreate, "no"},
		"a hook before the start":                 {waiting("PreStartHookError", "no"), 30, codeCreate, "no"},
		"the first crash is tolerated":            {crashed(0, 1, "Error"), -1, "", ""},
		"the second crash is tolerated":           {crashed(1, 1, "Error"), -1, "", ""},
		"the third crash fails":                   {crashed(2, 1, "Error"), 0, codeCrash, "exited 3 times, last with code 1"},
		"an end without an error is an end":       {crashed(2, 0, "Completed"), 0, codeCrash, "exited 3 times, last with code 0 (Completed)"},
		"a signal has a name":                     {crashed(2, 139, "Error"), 0, codeCrash, "code 139 (SIGSEGV)"},
		"memory once is tolerated":                {crashed(0, 137, "OOMKilled"), -1, "", ""},
		"memory twice names its limit":            {crashed(1, 137, "OOMKilled"), 0, codeOOM, "code 137 (SIGKILL, OOMKilled); its memory limit is 64Mi, raise it"},
		"a command that is not there, once":       {crashed(0, 127, "Error"), -1, "", ""},
		"a command that is not there, twice":      {crashed(1, 127, "Error"), 0, codeStart, "code 127"},
		"a command that is no program, twice":     {crashed(1, 126, "Error"), 0, codeStart, "code 126"},
		"a start that fails twice":                {crashed(1, 128, "StartError"), 0, codeStart, "code 128 (StartError)"},
		"creating is waited for":                  {waiting("ContainerCreating", ""), -1, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := pod("web-new", "new", false, c.status)
			p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
			seconds, cause := after(deploying(p), 400)
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
	c := waiting("RunContainerError", "context deadline exceeded")
	c.RestartCount = 1
	c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: `exec: "nod": executable file not found in $PATH`}
	seconds, cause := after(deploying(pod("web-new", "new", false, c)), 60)
	require.Equal(t, 0, seconds)
	require.Equal(t, "RunContainerError", cause.Reason)
	require.Contains(t, cause.Message, `it said: exec: "nod": executable file not found in $PATH`)

	c.LastTerminationState.Terminated = nil
	c.State.Waiting.Reason, c.RestartCount = "PostStartHookError", 2
	_, cause = after(deploying(pod("web-new", "new", false, c)), 60)
	require.Equal(t, codeCrash, cause.Code)
	require.Equal(t, "exited 3 times: context deadline exceeded", cause.Message)
}

func TestInitContainers(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	one, done := crashed(2, 1, "Error"), corev1.ContainerStatus{Name: "init", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}
	one.Name = "init"
	runs := corev1.ContainerStatus{Name: "init", State: runs}
	for name, c := range map[string]struct {
		status  corev1.ContainerStatus
		restart *corev1.ContainerRestartPolicy
		code    string // "" when the rollout does not fail
		last    string // what a timeout names
	}{
		"one that crashes":                  {one, nil, codeCrash, "exited 3 times"},
		"one that hangs":                    {runs, nil, "", "init container 1 of 1 still runs"},
		"one that is done":                  {done, nil, "", "0 of 1 new pods ready"},
		"a sidecar runs for ever":           {runs, &always, "", "0 of 1 new pods ready"},
		"a sidecar that crashes":            {one, &always, codeCrash, "exited 3 times"},
		"a sidecar that ends without error": {done, &always, "", "exited once, with code 0"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pod("web-new", "new", false, waiting("PodInitializing", ""))
			p.Spec.InitContainers = []corev1.Container{{Name: "init", RestartPolicy: c.restart}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{c.status}
			_, cause := after(deploying(p), 400)
			require.Equal(t, c.code != "", cause != nil)
			if cause != nil {
				require.Equal(t, c.code, cause.Code)
				require.Equal(t, "init", cause.Container)
			}
			require.Contains(t, timedOut(deploying(p)).Message, c.last)
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
		"a failed pull":               {event("Pod", "web-new", "Failed", `Failed to pull image "x": `+notFound), 0, 3, codeNotFound},
		"a missing Secret":            {event("Pod", "web-new", "Failed", `Error: secret "db" not found`), 0, 25, codeConfig},
		"an invalid name":             {event("Pod", "web-new", "InspectFailed", `couldn't parse image name "A:b:c"`), 0, 0, codeInvalidName},
		"an image that must be there": {event("Pod", "web-new", "ErrImageNeverPull", "not present"), 0, 0, codeNeverPull},
		"the generic word":            {event("Pod", "web-new", "Failed", "Error: ErrImagePull"), 0, -1, ""},
		"an old one":                  {event("Pod", "web-new", "Failed", `Failed to pull image "x": `+notFound), time.Minute, -1, ""},
		"somebody else's":             {event("Pod", "web-foreign", "Failed", `Failed to pull image "x": `+notFound), 0, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := deploying(pod("web-new", "new", false, waiting("PodInitializing", "")))
			c.event.LastTimestamp = metav1.NewTime(noon.Add(-c.age))
			s.events = []*corev1.Event{c.event}
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
	s := deploying(pod("web-new", "new", false, crashed(0, 255, "Error")))
	s.lines = map[container]line{{"portal", "web-new", "web-new", "web", 0}: {text: "exec /app: exec format error"}}
	seconds, cause := after(s, 60)
	require.Equal(t, 0, seconds)
	require.Equal(t, codeArchitecture, cause.Code)
}

func TestAPullIsClassifiedByTheRegistrysWordsNotByTheDigest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 20) + "401" + strings.Repeat("0", 20) + "403" + strings.Repeat("0", 18)
	for name, c := range map[string]struct{ message, code string }{
		"a 503 for a digest that holds 401":  {"failed to resolve r.test/web@" + digest + ": 503 Service Unavailable", codePull},
		"a status code alone":                {"HEAD https://r.test/v2/web/manifests/" + digest + ": unexpected status code 403", codeDenied},
		"missing, or hidden without a login": {"pull access denied, repository does not exist or may require authorization", codeDenied},
		"missing":                            {"r.test/web@" + digest + ": not found", codeNotFound},
		"not for this machine":               {"no match for platform in manifest", codeNotFound},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.code, pullCode(c.message)) })
	}
}

func TestTheRegistrysWordsAtTheEndOfALongMessageCount(t *testing.T) {
	reference := "registry.example.com/a-rather-long-team-name/backstage-production@sha256:" + strings.Repeat("a", 64)
	message := `rpc error: code = NotFound desc = failed to pull and unpack image "` + reference + `": failed to resolve image: ` + reference +
		": failed to do request: " + strings.Repeat("x", 300) + ": not found"
	seconds, cause := after(deploying(pod("web-new", "new", false, waiting("ErrImagePull", message))), 60)
	require.Equal(t, 3, seconds)
	require.Equal(t, codeNotFound, cause.Code)
	require.True(t, strings.HasSuffix(cause.Message, ": not found"))
	require.LessOrEqual(t, len([]rune(cause.Message)), maxLine+len(" … "))
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
			status := running(c.restarts)
			status.Ready = c.ready
			s := deploying(pod("web-new", "new", c.ready, status))
			s.pods[0].Spec.Containers[0].ReadinessProbe = c.probe
			s.lines = map[container]line{{"portal", "web-new", "web-new", "web", c.restarts}: {"Migration table is already locked", c.passing}}
			seconds, cause := after(s, 600)
			require.Equal(t, c.seconds, seconds)
			if cause != nil {
				require.Equal(t, codeLogPattern, cause.Code)
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
		"a pod of the revision":             {noon, 2},
		"a pod that is older":               {noon.Add(time.Minute), 5},
		"when it was applied is not known":  {time.Time{}, 2},
		"a pod of the revision's own start": {noon.Add(900 * time.Millisecond).Truncate(time.Second), 2},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudge(nil)
			j.applied = c.applied
			for restarts := int32(2); restarts < c.restarts; restarts++ {
				v := j.decide(deploying(pod("web-new", "new", false, crashed(restarts, 1, "Error"))), noon.Add(time.Duration(restarts)*time.Second))
				require.Nil(t, v.failed, restarts)
			}
			v := j.decide(deploying(pod("web-new", "new", false, crashed(c.restarts, 1, "Error"))), noon.Add(time.Minute))
			require.NotNil(t, v.failed)
			require.Equal(t, codeCrash, v.failed.cause.Code)
		})
	}
}
