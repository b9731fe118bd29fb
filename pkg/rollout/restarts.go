package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// containerID is one container of one pod, across its restarts.
type containerID struct {
	pod  types.UID
	name string
}

// restartBaseline are the exits of containers before the watch began that say nothing
// about what is judged: a database that restarted last month must not look like a
// crash loop today, and a pod that is older than the revision may have crashed for
// what the revision mends, a Secret or a ConfigMap.
func restartBaseline(pods []*corev1.Pod, applied time.Time) map[containerID]int32 {
	earlier := map[containerID]int32{}
	for _, p := range pods {
		for _, c := range statuses(p) {
			switch {
			case p.CreationTimestamp.Time.Before(applied):
				earlier[containerID{p.UID, c.Name}] = c.RestartCount + int32(isOver(p, c))
			case !looping(c) && c.State.Waiting == nil:
				earlier[containerID{p.UID, c.Name}] = c.RestartCount
			}
		}
	}
	return earlier
}

// isOver is 1 for a container that has ended when it should not have and has not been
// started again, so that its restarts do not count this end.
func isOver(p *corev1.Pod, c corev1.ContainerStatus) int {
	if looping(c) || c.State.Terminated != nil && !isInit(p, c.Name) {
		return 1
	}
	return 0
}

// statuses are those of all containers, init containers first.
func statuses(p *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

// failures counts how often a container has ended when it should not have, without
// those before the watch began.
func (j *judge) failures(p *corev1.Pod, c corev1.ContainerStatus) int {
	return int(c.RestartCount-j.baseline[containerID{p.UID, c.Name}]) + isOver(p, c)
}

// loopReasons are those of containers that have ended, or never began to run, and
// will be started again.
var loopReasons = []string{"CrashLoopBackOff", "RunContainerError", "PostStartHookError"}

// looping reports whether a container has just ended and will be started again.
func looping(c corev1.ContainerStatus) bool {
	return c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 ||
		c.State.Waiting != nil && slices.Contains(loopReasons, c.State.Waiting.Reason)
}

// isInit reports whether a container is an init container that has to end, which a sidecar
// has not.
func isInit(p *corev1.Pod, name string) bool {
	for _, c := range p.Spec.InitContainers {
		if c.Name == name {
			return c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways
		}
	}
	return false
}

// exitTrouble is how a container ended, as often as it did.
func (j *judge) exitTrouble(s *snapshot, p *corev1.Pod, c corev1.ContainerStatus) (trouble, bool) {
	n := j.failures(p, c)
	if n < 1 {
		return trouble{}, false
	}
	t := trouble{specific: true, failures: n, run: exitedRun(p, c), cause: record.Cause{
		Code: codeCrash, Object: "Pod/" + p.Name, Container: c.Name, Reason: "CrashLoopBackOff", Message: exits(n)}}
	if w := c.State.Waiting; w != nil && w.Reason != "CrashLoopBackOff" && slices.Contains(loopReasons, w.Reason) {
		t.cause.Reason = w.Reason
	}
	end := lastExit(c)
	if end == nil {
		if w := c.State.Waiting; w != nil && w.Message != "" {
			t.cause.Message += ": " + shorten(w.Message)
		}
		return t, true
	}
	t.cause.Message += exitedLast(n) + describeExit(*end)
	code, reason, more := exitCause(s, p, c, *end)
	t.cause.Code = code
	if reason != "" {
		t.cause.Reason = reason
	}
	t.cause.Message += more
	return t, true
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

// exitedRun names the run that ended last.
func exitedRun(p *corev1.Pod, c corev1.ContainerStatus) container {
	key := containerKey(p, c)
	if c.State.Running != nil && key.restarts > 0 {
		key.restarts--
	}
	return key
}

// lastExit is how the container ended last, nil when that is not known.
func lastExit(c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

// exitCause looks for a better name than "crash": memory, a start that never was,
// the wrong architecture, or a probe that killed it.
func exitCause(s *snapshot, p *corev1.Pod, c corev1.ContainerStatus, end corev1.ContainerStateTerminated) (code, reason, more string) {
	said := s.lines[exitedRun(p, c)].text + end.Message
	switch {
	case strings.Contains(said, execFormat):
		return codeArchitecture, end.Reason, "; the image is made for another architecture: " + execFormat
	case end.Reason == "OOMKilled":
		if limit := memoryLimit(p, c.Name); limit != "" {
			return codeOOM, end.Reason, fmt.Sprintf("; its memory limit is %s, raise it", limit)
		}
		return codeOOM, end.Reason, "; it has no memory limit of its own: the node or the pod ran out"
	case end.Reason == "StartError" || end.Reason == "ContainerCannotRun" || end.ExitCode >= 126 && end.ExitCode <= 128:
		return codeStart, startReason(c, end), ""
	}
	kill := s.latest(p, c.Name, "Killing")
	if kill == nil || !during(kill, end) {
		return codeCrash, "", ""
	}
	switch {
	case strings.Contains(kill.Message, "failed startup probe"):
		return codeStartupProbe, kill.Reason, "; it was killed because its startup probe failed" + probeWords(s, p, c.Name, "Startup")
	case strings.Contains(kill.Message, "failed liveness probe"):
		return codeLivenessProbe, kill.Reason, "; it was killed because its liveness probe failed" + probeWords(s, p, c.Name, "Liveness")
	}
	return codeCrash, "", ""
}

// probeWords is what one kind of probe said last, with a colon before it.
func probeWords(s *snapshot, p *corev1.Pod, name, kind string) string {
	var found *corev1.Event
	for _, e := range s.byUID[p.UID] {
		if e.Reason == "Unhealthy" && containerOf(e) == name && strings.HasPrefix(e.Message, kind) && (found == nil || seenAt(e).After(seenAt(found))) {
			found = e
		}
	}
	if found == nil {
		return ""
	}
	return ": " + shorten(found.Message)
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
	at := seenAt(e)
	return !at.Before(end.StartedAt.Truncate(time.Second)) && !at.After(end.FinishedAt.Add(2*time.Second))
}

func memoryLimit(p *corev1.Pod, name string) string {
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == name {
			return limit.String()
		}
	}
	return ""
}
