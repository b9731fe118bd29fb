package podstate_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

func TestTheStatusOfAPod(t *testing.T) {
	init := func(c corev1.ContainerStatus) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "web"}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{c}
		}
	}
	done := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}}
	killed := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}}}
	for want, change := range map[string]func(*corev1.Pod){
		"Running":     func(*corev1.Pod) {},
		"Terminating": func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: fixture.Noon} },
		"Evicted":     func(p *corev1.Pod) { p.Status.Reason = "Evicted" },
		"ErrImagePull": func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{fixture.Waiting("ErrImagePull", "x")}
		},
		"ExitCode:137":          func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{killed} },
		"Completed":             func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{done} },
		"Init:0/1":              init(fixture.Running(0)),
		"Init:CrashLoopBackOff": init(fixture.Crashed(1, 1, "Error")),
	} {
		p := fixture.Pod("web-new", "new", false)
		change(p)
		require.Equal(t, want, podstate.Status(p))
	}
}

func TestContainersWhoseLogMayTellSomething(t *testing.T) {
	ready := fixture.Running(0)
	ready.Ready = true
	over := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}
	failed := corev1.ContainerStatus{Name: "web", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1}}}
	for name, c := range map[string]struct {
		status corev1.ContainerStatus
		speaks bool
	}{
		"one that runs":          {fixture.Running(0), true},
		"one that is ready":      {ready, false},
		"one that is done":       {over, false},
		"one that ended":         {failed, true},
		"one in its back-off":    {fixture.Crashed(1, 1, "Error"), true},
		"one that was not begun": {fixture.Waiting("ContainerCreating", ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := fixture.Pod("p", "new", false, c.status)
			p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
			require.Equal(t, c.speaks, len(podstate.LogSources(p)) == 1)
		})
	}
}

func TestTheRunThatEndedIsTheOneWhoseWordsCount(t *testing.T) {
	p := fixture.Pod("p", "new", false)
	require.EqualValues(t, 1, podstate.ExitedRun(p, fixture.Running(2)).Restarts, "it runs again")
	require.EqualValues(t, 2, podstate.ExitedRun(p, fixture.Crashed(2, 1, "Error")).Restarts)
	require.EqualValues(t, 0, podstate.ExitedRun(p, fixture.Running(0)).Restarts)
}

func TestHowAContainerEnded(t *testing.T) {
	at := metav1.NewTime(fixture.Noon)
	for want, end := range map[string]corev1.ContainerStateTerminated{
		"code 1":                        {ExitCode: 1, Reason: "Error"},
		"code 0 (Completed)":            {Reason: "Completed"},
		"code 143 (SIGTERM)":            {ExitCode: 143, Reason: "Error"},
		"code 137 (SIGKILL, OOMKilled)": {ExitCode: 137, Reason: "OOMKilled"},
		"code 255":                      {ExitCode: 255, Reason: "Error"},
		"code 1 (signal 40)":            {ExitCode: 1, Signal: 40},
		"code 1 after 3s; it said: Error: no space": {ExitCode: 1, StartedAt: at, FinishedAt: metav1.NewTime(fixture.Noon.Add(3 * time.Second)), Message: "hm\nError: no space\n"},
	} {
		require.Equal(t, want, podstate.DescribeExit(end))
	}
}

func TestATerminationMessageCanBeLeftOut(t *testing.T) {
	muted := &redact.Redactor{}
	muted.Mute(record.Saying...)
	said := podstate.DescribeExit(corev1.ContainerStateTerminated{ExitCode: 1, Message: "token unknown-to-us"})
	require.Equal(t, "code 1; it said: token unknown-to-us", said)
	require.Equal(t, "code 1; it said: (left out)", muted.Text(said))
}
