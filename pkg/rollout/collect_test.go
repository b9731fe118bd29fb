package rollout

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// failedCluster has a new pod that crashed twice and runs again, one that waits for its
// image, an old one that is fine, and events of all of them and of a stranger.
func failedCluster(t *testing.T) *apiServer {
	server := newAPIServer(t)
	crashing := fixture.Running(2)
	crashing.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error",
		StartedAt: metav1.NewTime(fixture.Noon), FinishedAt: metav1.NewTime(fixture.Noon.Add(3 * time.Second))}
	s := fixture.Deploying(fixture.Pod("web-a", "new", false, fixture.Waiting("ErrImagePull", "not found")), fixture.Pod("web-b", "new", false, crashing))
	server.all(s)
	ago := func(e *corev1.Event, age time.Duration) *corev1.Event {
		e.LastTimestamp, e.Count = metav1.NewTime(time.Now().Add(-age)), 3
		return e
	}
	normal := fixture.Event("Pod", "web-a", "Pulling", "Pulling image")
	normal.Type = corev1.EventTypeNormal
	server.put(normal, ago(fixture.Event("Pod", "web-a", "Failed", "Failed to pull image"), time.Minute), ago(fixture.Event("Pod", "web-b", "BackOff", strings.Repeat("x", 2000)), 5*time.Second),
		ago(fixture.Event("ReplicaSet", "new", "FailedCreate", "quota"), 2*time.Minute), ago(fixture.Event("Pod", "stranger", "BackOff", "noise"), 0))
	return server
}

func TestEvidenceOfAFailedRollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := failedCluster(t)
		server.logs = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("previous") != "" {
				fmt.Fprintln(w, "TypeError: x is undefined")
				return
			}
			fmt.Fprint(w, strings.Repeat("0123456789 starting\n", logBytes/10))
		}
		cause := record.Cause{Code: causes.CrashLoop, Object: "Pod/web-b", Container: "web"}
		evidence := Collect(t.Context(), Options{Client: server.client(t), Namespace: "portal"}, record.Applied{Workloads: []record.Workload{{Kind: "Deployment", Name: "web"}}}, cause)
		require.Equal(t, cause, evidence.Cause)

		var pods []string
		for _, p := range evidence.Pods {
			pods = append(pods, fmt.Sprintf("%s %t %s %s", p.Name, p.New, p.Owner, p.Status))
		}
		require.Equal(t, []string{"web-a true Deployment/web ErrImagePull", "web-b true Deployment/web Running", "web-old false Deployment/web Running"}, pods)

		require.Len(t, evidence.Logs, 2)
		current, previous := evidence.Logs[0], evidence.Logs[1]
		require.Equal(t, record.Log{Pod: "web-b", Container: "web", Previous: true, Ended: "exit code 1 after 3s", Text: "TypeError: x is undefined"}, previous)
		require.Empty(t, current.Ended, "it runs")
		require.LessOrEqual(t, len(current.Text), logBytes)
		require.True(t, strings.HasPrefix(current.Text, "0123456789"), "whole lines")

		var events []string
		for _, e := range evidence.Events {
			events = append(events, fmt.Sprintf("%s %s %d", e.Object, e.Reason, e.Count))
			require.LessOrEqual(t, len(e.Message), wording.MaxLine+len(" … "))
		}
		require.Equal(t, []string{"Pod/web-b BackOff 3", "Pod/web-a Failed 3", "ReplicaSet/new FailedCreate 3"}, events)
		require.InDelta(t, 60, evidence.Events[1].Seconds, 2)
	})
}

// A container that is started again after its pod was looked at: "previous" is the log of
// another run than it was then (kubernetes/kubernetes#3205, cozystack/cozystack#3346), and a
// pod of a StatefulSet has the name of the one before it.
func TestALogIsThatOfTheRunThatItsStatusTellsOf(t *testing.T) {
	for name, c := range map[string]struct {
		now  int32 // restarts when its log is read
		uid  types.UID
		want map[string]string // by how the run ended
	}{
		"it runs on":                       {2, "web-b", map[string]string{"": "run 2", "exit code 1": "run 1"}},
		"it was started again":             {3, "web-b", map[string]string{"": "run 2"}},
		"it was started again twice":       {4, "web-b", map[string]string{}},
		"another pod has its name by then": {0, "next", map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer(t)
			crashing := fixture.Running(2)
			crashing.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1}
			pod := fixture.Pod("web-b", "new", false, crashing)
			pod.UID = "web-b"
			seen := logsOf(pod, pod.Status.ContainerStatuses[0], false)
			later := pod.DeepCopy()
			later.UID, later.Status.ContainerStatuses[0].RestartCount = c.uid, c.now
			server.put(later)
			server.logs = func(w http.ResponseWriter, r *http.Request) {
				run := c.now
				if r.URL.Query().Get("previous") != "" {
					run--
				}
				fmt.Fprintf(w, "run %d\n", run)
			}
			r := reader{ctx: t.Context(), client: server.client(t), log: slog.New(slog.DiscardHandler)}
			got := map[string]string{}
			for _, l := range r.logs(seen) {
				got[l.Ended] = l.Text
				require.Equal(t, l.Text == fmt.Sprintf("run %d", c.now-1), l.Previous, "as it is now")
			}
			require.Equal(t, c.want, got)
		})
	}
}

// The node starts a container again a while before the pod says so (kubernetes/kubernetes#3205):
// what is written after the end that the pod tells of is of the next run.
func TestALogIsThatOfTheRunThatEndedAlthoughTheStatusIsLate(t *testing.T) {
	ended := time.Date(2026, 11, 28, 18, 28, 13, 0, time.UTC)
	for name, c := range map[string]struct {
		began    time.Duration // of what is called the present log, after the end
		previous int           // the answer to who asks for the log before it
		want     string
	}{
		"it was not started again":             {-time.Second, http.StatusBadRequest, "lost the lease"},
		"it ended within the second":           {900 * time.Millisecond, http.StatusBadRequest, "lost the lease"},
		"it was started again":                 {1100 * time.Millisecond, http.StatusOK, "lost the lease"},
		"its last words came late to the node": {1100 * time.Millisecond, http.StatusBadRequest, "lost the lease"},
	} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer(t)
			crashed := fixture.Crashed(0, 1, "Error")
			crashed.LastTerminationState.Terminated.FinishedAt = metav1.NewTime(ended)
			pod := fixture.Pod("web-b", "new", false, crashed)
			server.put(pod)
			server.logs = func(w http.ResponseWriter, r *http.Request) {
				say := func(at time.Time, line string) { fmt.Fprintln(w, at.Format(time.RFC3339Nano), line) }
				isPrevious := r.URL.Query().Get("previous") != ""
				switch {
				case r.URL.Query().Get("timestamps") != "true":
					http.Error(w, "whose lines are these?", http.StatusInternalServerError)
				case isPrevious && c.previous != http.StatusOK:
					http.Error(w, "previous terminated container not found", c.previous)
				case isPrevious || c.previous != http.StatusOK:
					say(ended.Add(c.began), "release 2 starts")
					say(ended.Add(c.began), "lost the lease")
				default:
					say(ended.Add(c.began), "release 2 starts")
				}
			}
			run := podstate.RunOf(pod, pod.Status.ContainerStatuses[0])
			text, previous, err := runLog(t.Context(), server.client(t), run, 0, 10)
			require.NoError(t, err)
			require.Equal(t, "release 2 starts\n"+c.want+"\n", text)
			require.Equal(t, c.previous == http.StatusOK, previous)
		})
	}
}

func TestEvidenceIsWhatCanBeRead(t *testing.T) {
	server := failedCluster(t)
	server.logs = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusNotFound) }
	server.denied["events"] = true
	evidence := Collect(t.Context(), Options{Client: server.client(t)}, applied, record.Cause{})
	require.Len(t, evidence.Pods, 3)
	require.Empty(t, evidence.Logs)
	require.Empty(t, evidence.Events)
	require.NotNil(t, evidence.Events, "a list in JSON")

	evidence = Collect(t.Context(), Options{Client: fake.NewClientset()}, applied, record.Cause{Code: "x"})
	require.Equal(t, "x", evidence.Cause.Code)
	require.Empty(t, evidence.Pods)
}

func TestWhichLogsAreWanted(t *testing.T) {
	over := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2}}}
	ready := fixture.Running(0)
	ready.Ready = true
	for name, c := range map[string]struct {
		status corev1.ContainerStatus
		named  bool
		want   string
	}{
		"one that runs":                {fixture.Running(0), false, "[false ]"},
		"one that ended":               {over, false, "[false exit code 2]"},
		"one in its back-off":          {fixture.Crashed(2, 137, "OOMKilled"), false, "[false exit code 137 (SIGKILL, OOMKilled)]"},
		"one that was never there":     {fixture.Waiting("ErrImagePull", "x"), false, ""},
		"one that is ready":            {ready, false, ""},
		"one that is ready, but named": {ready, true, "[false ]"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, w := range logsOf(fixture.Pod("p", "new", false), c.status, c.named) {
				got += fmt.Sprintf("[%t %s]", w.present > w.Restarts, w.ended)
			}
			require.Equal(t, c.want, got)
		})
	}
}
