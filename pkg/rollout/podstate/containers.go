// Package podstate reads pods, their containers and their events as Kubernetes writes them:
// what runs, what has exited and how, what is ready. It judges nothing.
package podstate

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Run is one run of a container: another restart is another run.
type Run struct {
	Namespace, Pod string
	UID            types.UID
	Name           string
	Restarts       int32
}

// ContainerID is one container of one pod, across its restarts.
type ContainerID struct {
	Pod  types.UID
	Name string
}

// IDOf names a container.
func IDOf(p *corev1.Pod, container string) ContainerID {
	return ContainerID{Pod: p.UID, Name: container}
}

// ID is the container of a run.
func (r Run) ID() ContainerID { return ContainerID{Pod: r.UID, Name: r.Name} }

// RunOf names the present run of a container.
func RunOf(p *corev1.Pod, c corev1.ContainerStatus) Run {
	return Run{p.Namespace, p.Name, p.UID, c.Name, c.RestartCount}
}

// Statuses are those of all containers, init containers first.
func Statuses(p *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

// Restarts is how often containers of a pod have been started again.
func Restarts(p *corev1.Pod) (n int32) {
	for _, c := range Statuses(p) {
		n += c.RestartCount
	}
	return n
}

// LoopReasons are those of containers that have ended, or never began to run, and
// will be started again.
var LoopReasons = []string{"CrashLoopBackOff", "RunContainerError", "PostStartHookError"}

// Looping reports whether a container has just ended and will be started again.
func Looping(c corev1.ContainerStatus) bool {
	return c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 ||
		c.State.Waiting != nil && slices.Contains(LoopReasons, c.State.Waiting.Reason)
}

// IsInit reports whether a container is an init container that has to end, which a sidecar
// has not.
func IsInit(p *corev1.Pod, name string) bool {
	for _, c := range p.Spec.InitContainers {
		if c.Name == name {
			return c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways
		}
	}
	return false
}

// LastExit is how the container ended last, nil when that is not known.
func LastExit(c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

// ExitedRun names the run that ended last.
func ExitedRun(p *corev1.Pod, c corev1.ContainerStatus) Run {
	key := RunOf(p, c)
	if c.State.Running != nil && key.Restarts > 0 {
		key.Restarts--
	}
	return key
}

// MemoryLimit is that of a container, "" without one.
func MemoryLimit(p *corev1.Pod, name string) string {
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == name {
			return limit.String()
		}
	}
	return ""
}

// Creating reports whether nothing is known yet about a container.
func Creating(c corev1.ContainerStatus) bool {
	w := c.State.Waiting
	return w != nil && (w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" || w.Reason == "")
}

// Unprobed reports whether a container's readiness only says that it runs.
func Unprobed(p *corev1.Pod, name string) bool {
	for _, c := range p.Spec.Containers {
		if c.Name == name {
			return c.ReadinessProbe == nil
		}
	}
	return false
}

// ImageDigest is the digest that the kubelet reports for a container, "" for none.
func ImageDigest(p *corev1.Pod, name string) string {
	for _, c := range Statuses(p) {
		if c.Name == name {
			_, digest, _ := strings.Cut(c.ImageID, "@")
			return digest
		}
	}
	return ""
}

// HasDigest reports whether a container is to run the image of that digest.
func HasDigest(c corev1.Container, digest string) bool { return strings.HasSuffix(c.Image, "@"+digest) }

// StateWord is why a container does not run, "" when it does.
func StateWord(c corev1.ContainerStatus) string {
	switch {
	case c.State.Waiting != nil:
		return c.State.Waiting.Reason
	case c.State.Terminated != nil && c.State.Terminated.Reason != "":
		return c.State.Terminated.Reason
	case c.State.Terminated != nil:
		return fmt.Sprintf("ExitCode:%d", c.State.Terminated.ExitCode)
	}
	return ""
}

// LogSources are the containers of a pod whose log may say why it is not ready: they
// run, or have just ended.
func LogSources(p *corev1.Pod) []Run {
	var all []Run
	for _, c := range Statuses(p) {
		done := c.State.Terminated != nil && c.State.Terminated.ExitCode == 0
		if (!c.Ready || Unprobed(p, c.Name)) && !done && (c.State.Running != nil || c.State.Terminated != nil || c.State.Waiting != nil && c.State.Waiting.Reason == "CrashLoopBackOff") {
			all = append(all, RunOf(p, c))
		}
	}
	return all
}

// Serves reports whether a pod says itself when it is ready.
func Serves(p *corev1.Pod) bool {
	for _, c := range p.Spec.Containers {
		if c.ReadinessProbe != nil {
			return true
		}
	}
	return false
}

// RunsOnce reports whether a pod may end.
func RunsOnce(p *corev1.Pod) bool {
	return p.Spec.RestartPolicy == corev1.RestartPolicyNever || p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
}
