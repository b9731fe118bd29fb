package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

func TestAPullIsClassifiedByTheRegistrysWordsNotByTheDigest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 20) + "401" + strings.Repeat("0", 20) + "403" + strings.Repeat("0", 18)
	for name, c := range map[string]struct{ message, code string }{
		"a 503 for a digest that holds 401":  {"failed to resolve r.test/web@" + digest + ": 503 Service Unavailable", codePull},
		"a status code alone":                {"HEAD https://r.test/v2/web/manifests/" + digest + ": unexpected status code 403", codeDenied},
		"missing, or hidden without a login": {"pull access denied, repository does not exist or may require authorization", codeDenied},
		"missing":                            {"r.test/web@" + digest + ": not found", codeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudge(Graces{}.withDefaults())
			j.decide(deploying(pod("web-new", "new", false, waiting("ErrImagePull", c.message))), noon)
			require.Equal(t, c.code, j.first.Code)
		})
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

func restarted(restarts int32, state corev1.ContainerState) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "web", RestartCount: restarts, State: state}
}

var (
	runs  = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}
)

func TestRestartsBeforeTheWatchDoNotCount(t *testing.T) {
	database := func(status corev1.ContainerStatus) snapshot {
		return deploying(pod("web-new", "new", false, status))
	}
	for name, c := range map[string]struct {
		first, later corev1.ContainerStatus
		fails        bool
	}{
		"five restarts last month, not ready for a moment": {restarted(5, runs), restarted(5, runs), false},
		"five restarts last month and one now":             {restarted(5, runs), restarted(5, ended), false},
		"five restarts last month and three now":           {restarted(5, runs), restarted(7, ended), true},
		"in a crash loop when the watch begins":            {crashed(5, "Error"), crashed(5, "Error"), true},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudge(Graces{}.withDefaults())
			j.decide(database(c.first), noon)
			cause := j.decide(database(c.later), noon.Add(time.Second)).cause
			require.Equal(t, c.fails, cause != nil)
		})
	}
}

func TestTheProgressDeadlineNamesWhatHeldItUp(t *testing.T) {
	s := deploying(pod("web-new", "new", false, waiting("ErrImagePull", "503 Service Unavailable")))
	s.deployments[0].Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing,
		Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", Message: "has timed out progressing"}}
	cause := newJudge(Graces{}.withDefaults()).decide(s, noon).cause
	require.Equal(t, pipeline.Cause{Code: codeDeadline, Object: "Pod/web-new", Container: "web", Reason: "ErrImagePull",
		Message: "has timed out progressing: 503 Service Unavailable"}, *cause)
}

func TestOldPodsOfADaemonSetDoNotCount(t *testing.T) {
	agent := pipeline.Workload{Kind: "DaemonSet", Namespace: "portal", Name: "agent"}
	p := pod("agent-1", "agent", false, crashed(9, "Error"))
	p.OwnerReferences = owner("DaemonSet", "agent", "a")
	p.Labels = map[string]string{"pod-template-generation": "1"}
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent", Namespace: "portal", UID: "a",
		Annotations: map[string]string{appsv1.DeprecatedTemplateGeneration: "2"}}}
	s := snapshot{workloads: []pipeline.Workload{agent}, daemonSets: []*appsv1.DaemonSet{set}, pods: []*corev1.Pod{p}}
	seconds, _ := after(s, 60)
	require.Equal(t, -1, seconds)
	p.Labels["pod-template-generation"] = "2"
	seconds, cause := after(s, 60)
	require.Equal(t, 0, seconds)
	require.Equal(t, codeCrash, cause.Code)
}

func TestAnAPIServerThatIsDownForAMomentDoesNotEndTheWatch(t *testing.T) {
	s := deploying(pod("web-new", "new", true))
	s.deployments[0].Status.Replicas = 1
	client := cluster(t, s)
	down := 1
	client.PrependReactor("get", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		if down == 0 {
			return false, nil, nil
		}
		down--
		return true, nil, apierrors.NewServiceUnavailable("the API server starts")
	})
	result, err := Watch(t.Context(), Options{Client: client}, s.workloads)
	require.NoError(t, err)
	require.Nil(t, result.Cause)
}

func TestAKindWithoutARolloutIsAnErrorAtOnce(t *testing.T) {
	_, err := Watch(t.Context(), Options{Client: cluster(t, deploying())}, []pipeline.Workload{{Kind: "CronJob", Namespace: "portal", Name: "c"}})
	require.ErrorIs(t, err, errKind)
}

func TestTheTellingLineComesFromTheLogThatIsThere(t *testing.T) {
	const gone = `failed to try resolving symlinks in path "/var/log/pods/x/web/1.log": no such file or directory`
	for name, c := range map[string]struct {
		logs []string
		want string
	}{
		"the previous log is gone":               {[]string{"starting\n", gone}, "starting"},
		"the container runs again and is silent": {[]string{"", "TypeError: x is undefined\n"}, "TypeError: x is undefined"},
		"an error before a mere last line":       {[]string{"starting again\n", "one\nError: no\n"}, "Error: no"},
		"both are gone":                          {[]string{gone, gone}, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, telling(c.logs...)) })
	}
}
