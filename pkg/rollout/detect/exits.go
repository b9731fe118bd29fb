package detect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// exitTrouble is how a container ended that did so n times.
func exitTrouble(s *cluster.Snapshot, p *corev1.Pod, c corev1.ContainerStatus, n int) (Trouble, bool) {
	if n < 1 {
		return earlierTrouble(p, c)
	}
	t := Trouble{Specific: true, Failures: n, Run: podstate.ExitedRun(p, c), Cause: record.Cause{
		Code: causes.CrashLoop, Object: "Pod/" + p.Name, Container: c.Name, Reason: "CrashLoopBackOff", Message: exits(n)}}
	if w := c.State.Waiting; w != nil && w.Reason != "CrashLoopBackOff" && slices.Contains(podstate.LoopReasons, w.Reason) {
		t.Cause.Reason = w.Reason
	}
	end := podstate.LastExit(c)
	if end == nil {
		if w := c.State.Waiting; w != nil && w.Message != "" {
			t.Cause.Message += ": " + wording.Shorten(w.Message)
		}
		return t, true
	}
	t.Cause.Message += exitedLast(n) + podstate.DescribeExit(*end)
	t.Cause.MetLock = backstage.MetLock(end.Message)
	code, reason, more := ExitCause(s, p, c, *end)
	t.Cause.Code = code
	if reason != "" {
		t.Cause.Reason = reason
	}
	t.Cause.Message += more
	return t, true
}

// earlierTrouble is a container that had ended before the revision was applied, and waits
// to be started again: nothing of the revision, but what is new may need it.
func earlierTrouble(p *corev1.Pod, c corev1.ContainerStatus) (Trouble, bool) {
	end := podstate.LastExit(c)
	if !podstate.Looping(c) || podstate.IsInit(p, c.Name) || end == nil {
		return Trouble{}, false
	}
	n := int(c.RestartCount) + 1
	return Trouble{Specific: true, Earlier: true, Run: podstate.ExitedRun(p, c), Cause: record.Cause{
		Code: causes.CrashLoop, Object: "Pod/" + p.Name, Container: c.Name, Reason: "CrashLoopBackOff",
		Message: exits(n) + " before this revision" + exitedLast(n) + podstate.DescribeExit(*end), MetLock: backstage.MetLock(end.Message)}}, true
}

// exits says how often a container exited.
func exits(n int) string {
	if n == 1 {
		return "exited once"
	}
	return fmt.Sprintf("exited %d times", n)
}

// exitedLast leads over to how it exited the last time.
func exitedLast(n int) string {
	if n == 1 {
		return ", with "
	}
	return ", last with "
}

// ExitCause looks for a better name than "crash": memory, a start that never was,
// the wrong architecture, or a probe that killed it.
func ExitCause(s *cluster.Snapshot, p *corev1.Pod, c corev1.ContainerStatus, end corev1.ContainerStateTerminated) (code, reason, more string) {
	said := s.Lines[podstate.ExitedRun(p, c)].Text + end.Message
	switch {
	case strings.Contains(said, wording.ExecFormat):
		return causes.WrongArchitecture, end.Reason, "; the image is made for another architecture: " + wording.ExecFormat
	case end.Reason == "OOMKilled":
		if limit := podstate.MemoryLimit(p, c.Name); limit != "" {
			return causes.OOMKilled, end.Reason, fmt.Sprintf("; its memory limit is %s, raise it", limit)
		}
		return causes.OOMKilled, end.Reason, "; it has no memory limit of its own: the node or the pod ran out"
	case end.Reason == "StartError" || end.Reason == "ContainerCannotRun" || end.ExitCode >= 126 && end.ExitCode <= 128:
		return causes.NotStarted, startReason(c, end), ""
	}
	kill := s.Latest(p, c.Name, "Killing")
	if kill == nil || !during(kill, end) {
		return causes.CrashLoop, "", ""
	}
	switch {
	case strings.Contains(kill.Message, "failed startup probe"):
		return causes.StartupProbeFailed, kill.Reason, "; it was killed because its startup probe failed" + ProbeWords(s, p, c.Name, "Startup")
	case strings.Contains(kill.Message, "failed liveness probe"):
		return causes.LivenessProbeFailed, kill.Reason, "; it was killed because its liveness probe failed" + ProbeWords(s, p, c.Name, "Liveness")
	}
	return causes.CrashLoop, "", ""
}

// ProbeWords is what one kind of probe said last, with a colon before it.
func ProbeWords(s *cluster.Snapshot, p *corev1.Pod, name, kind string) string {
	var found *corev1.Event
	for _, e := range s.ByUID[p.UID] {
		if e.Reason == "Unhealthy" && podstate.ContainerOf(e) == name && strings.HasPrefix(e.Message, kind) && (found == nil || events.SeenAt(e).After(events.SeenAt(found))) {
			found = e
		}
	}
	if found == nil {
		return ""
	}
	return ": " + wording.Shorten(found.Message)
}

// startReason prefers what the status says now.
func startReason(c corev1.ContainerStatus, end corev1.ContainerStateTerminated) string {
	if w := c.State.Waiting; w != nil && w.Reason == "RunContainerError" {
		return w.Reason
	}
	if end.Reason == "Error" {
		return ""
	}
	return end.Reason
}

// during reports whether an event belongs to the run that ended; the kubelet gives
// both times, to the second.
func during(e *corev1.Event, end corev1.ContainerStateTerminated) bool {
	at := events.SeenAt(e)
	return !at.Before(end.StartedAt.Truncate(time.Second)) && !at.After(end.FinishedAt.Add(2*time.Second))
}

// EndedPod is a pod that nothing starts again.
func EndedPod(s *cluster.Snapshot, p *corev1.Pod) Trouble {
	t := OfPod(p, causes.PodEnded, wording.FirstOf(p.Status.Reason, string(p.Status.Phase)), wording.FirstOf(p.Status.Message, "it has ended, and nothing starts it again"))
	for _, c := range podstate.Statuses(p) {
		end := podstate.LastExit(c)
		if end == nil || end.ExitCode == 0 && p.Status.Phase == corev1.PodFailed {
			continue
		}
		_, _, more := ExitCause(s, p, c, *end)
		t.Cause.Container, t.Cause.MetLock, t.Run = c.Name, backstage.MetLock(end.Message), podstate.ExitedRun(p, c)
		t.Cause.Message = wording.Shorten(fmt.Sprintf("exited with %s%s, and nothing starts it again", podstate.DescribeExit(*end), more))
	}
	return t
}
