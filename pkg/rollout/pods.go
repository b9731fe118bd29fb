package rollout

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// pods examines the pods of the new revision that mine picks.
func (j *judge) pods(s snapshot, mine func(*corev1.Pod) bool) status {
	var result status
	own := slices.Clone(s.pods)
	own = slices.DeleteFunc(own, func(p *corev1.Pod) bool {
		return !mine(p) || p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodFailed
	})
	slices.SortFunc(own, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range own {
		if ready(p) {
			result.pods = append(result.pods, pipeline.Pod{Namespace: p.Namespace, Name: p.Name, Port: httpPort(p)})
			continue
		}
		result.unready = append(result.unready, running(p)...)
		result.troubles = append(result.troubles, j.podTroubles(s, p)...)
	}
	return result
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// httpPort prefers the port named http, then the first.
func httpPort(p *corev1.Pod) int {
	first := 0
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == "http" {
				return int(port.ContainerPort)
			}
			if first == 0 {
				first = int(port.ContainerPort)
			}
		}
	}
	return first
}

// running are the containers of a pod whose log may say why it is not ready.
func running(p *corev1.Pod) []container {
	var all []container
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil && !c.Ready {
			all = append(all, container{p.Namespace, p.Name, c.Name, c.RestartCount})
		}
	}
	return all
}

func (j *judge) podTroubles(s snapshot, p *corev1.Pod) []trouble {
	var all []trouble
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		cause := pipeline.Cause{Object: "Pod/" + p.Name, Container: c.Name}
		if t, found := j.containerTrouble(c, cause, j.crashes(p, c)); found {
			all = append(all, t)
		} else if line, found := s.logLines[container{p.Namespace, p.Name, c.Name, c.RestartCount}]; found && !c.Ready {
			cause.Code, cause.Reason, cause.Message = codeLogPattern, "Log", line
			all = append(all, trouble{cause, j.graces.LogPattern, true})
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return []trouble{{pipeline.Cause{Code: codeUnschedulable, Object: "Pod/" + p.Name, Reason: c.Reason, Message: shorten(c.Message)}, j.graces.Unschedulable, true}}
		}
	}
	return j.mountTrouble(s, p)
}

// containerTrouble classifies the state of one container.
func (j *judge) containerTrouble(c corev1.ContainerStatus, cause pipeline.Cause, crashes int) (trouble, bool) {
	if crashes >= crashesToFail {
		return crash(c, cause, crashes), true
	}
	if c.State.Waiting == nil {
		return trouble{}, false
	}
	cause.Reason, cause.Message = c.State.Waiting.Reason, shorten(c.State.Waiting.Message)
	t := trouble{cause: cause, specific: true}
	switch cause.Reason {
	case "InvalidImageName":
		t.cause.Code = codeInvalidName
	case "ErrImageNeverPull":
		t.cause.Code = codeNeverPull
	case "ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable":
		t = j.pull(t, c.State.Waiting.Message)
	case "CreateContainerConfigError":
		t.cause.Code, t.grace = codeConfig, j.graces.Config
		// The kubelet's own cache may lag behind a Secret that is there.
		if message := c.State.Waiting.Message; strings.Contains(message, "failed to sync") && strings.Contains(message, "cache") {
			return trouble{}, false
		}
	case "CreateContainerError", "RunContainerError", "PreCreateHookError", "PreStartHookError", "PostStartHookError":
		t.cause.Code, t.grace = codeCreate, j.graces.Create
	default:
		return trouble{}, false
	}
	return t, true
}

// deniedPattern wants a word: every thirtieth digest has 401 or 403 inside.
var deniedPattern = regexp.MustCompile(`\b40[13]\b`)

// pull tells what is behind a failed pull by the registry's own words. A back-off
// without them is generic, and the sighting before it holds.
func (j *judge) pull(t trouble, message string) trouble {
	words := strings.ToLower(message) // in full: the registry speaks last
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(words, part) })
	}
	switch {
	case has("may require authorization"):
		t.cause.Code, t.grace = codeDenied, j.graces.Denied
	case has("not found", "manifest unknown", "name unknown", "does not exist", "no such manifest", "no match for platform"):
		t.cause.Code, t.grace = codeNotFound, j.graces.NotFound
	case has("unauthorized", "denied", "forbidden", "authorization failed"), deniedPattern.MatchString(words):
		t.cause.Code, t.grace = codeDenied, j.graces.Denied
	default:
		t.cause.Code, t.grace = codePull, j.graces.Pull
		t.specific = t.cause.Reason != "ImagePullBackOff"
	}
	return t
}

// crashes counts how often a container has ended when it should not have, without
// the restarts of an earlier life.
func (j *judge) crashes(p *corev1.Pod, c corev1.ContainerStatus) int {
	count := int(c.RestartCount - j.earlier[life{p.UID, c.Name}])
	if looping(c) {
		count++
	}
	return count
}

// looping tells whether a container has just ended and will be started again.
func looping(c corev1.ContainerStatus) bool {
	return c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 ||
		c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff"
}

// life is one container of one pod, across its restarts.
type life struct {
	pod  types.UID
	name string
}

// earlierLives are the restarts of containers that run when the watch begins: a
// database that restarted last month must not look like a crash loop today.
func earlierLives(pods []*corev1.Pod) map[life]int32 {
	earlier := map[life]int32{}
	for _, p := range pods {
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if !looping(c) && c.State.Waiting == nil {
				earlier[life{p.UID, c.Name}] = c.RestartCount
			}
		}
	}
	return earlier
}

func crash(c corev1.ContainerStatus, cause pipeline.Cause, crashes int) trouble {
	cause.Code, cause.Reason = codeCrash, "CrashLoopBackOff"
	ended := c.LastTerminationState.Terminated
	if c.State.Terminated != nil {
		ended = c.State.Terminated
	}
	cause.Message = fmt.Sprintf("it ended %d times", crashes)
	if ended != nil {
		cause.Message += ", with " + howEnded(ended)
		if ended.Reason == "OOMKilled" {
			cause.Code, cause.Reason = codeOOM, ended.Reason
			cause.Message += "; raise its memory limit"
		}
	}
	return trouble{cause: cause, specific: true}
}

func howEnded(t *corev1.ContainerStateTerminated) string {
	s := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Signal != 0 {
		s = fmt.Sprintf("signal %d", t.Signal)
	}
	if t.Reason != "" && t.Reason != "Error" {
		s += " (" + t.Reason + ")"
	}
	if !t.StartedAt.IsZero() && t.FinishedAt.After(t.StartedAt.Time) {
		s += fmt.Sprintf(" after %s", t.FinishedAt.Sub(t.StartedAt.Time).Round(time.Second))
	}
	if t.Message != "" {
		s += "; it said: " + telling(t.Message)
	}
	return s
}

// lagging: the kubelet's own cache may not have an object yet that is there.
func lagging(message string) bool {
	return strings.Contains(message, "failed to sync") && strings.Contains(message, "cache")
}

// mountReasons are events of a pod whose containers cannot be made.
var mountReasons = []string{"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"}

func (j *judge) mountTrouble(s snapshot, p *corev1.Pod) []trouble {
	for _, e := range s.events {
		if e.InvolvedObject.UID == p.UID && p.UID != "" && slices.Contains(mountReasons, e.Reason) && waitingForCreation(p) && !lagging(e.Message) {
			return []trouble{{pipeline.Cause{Code: codeMount, Object: "Pod/" + p.Name, Reason: e.Reason, Message: shorten(e.Message)}, j.graces.Mount, true}}
		}
	}
	return nil
}

// waitingForCreation: an old event explains nothing once the containers run.
func waitingForCreation(p *corev1.Pod) bool {
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if c.State.Waiting != nil && (c.State.Waiting.Reason == "ContainerCreating" || c.State.Waiting.Reason == "PodInitializing") {
			return true
		}
	}
	return false
}

// refused classifies why a controller could not make a pod.
func (j *judge) refused(object, reason, message string) trouble {
	t := trouble{cause: pipeline.Cause{Code: codePodCreate, Object: object, Reason: reason, Message: shorten(message)}, grace: j.graces.Quota, specific: true}
	switch {
	case strings.Contains(message, "exceeded quota"):
		t.cause.Code = codeQuota
	case strings.Contains(message, "denied the request"), strings.Contains(message, "violates PodSecurity"), strings.Contains(message, "denied request"):
		t.cause.Code, t.grace = codeAdmission, j.graces.Admission
	}
	return t
}

// creationEvents: a StatefulSet or DaemonSet tells only by events that it cannot
// make a pod. Only recent ones count, or a healed trouble would come back.
func (j *judge) creationEvents(s snapshot, kind, name string) []trouble {
	const recent = time.Minute
	for _, e := range s.events {
		if e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name && e.Reason == "FailedCreate" && s.now.Sub(e.LastTimestamp.Time) < recent {
			return []trouble{j.refused(kind+"/"+name, e.Reason, e.Message)}
		}
	}
	return nil
}
