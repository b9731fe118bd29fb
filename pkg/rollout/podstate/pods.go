package podstate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Condition is a condition of a pod, nil when it has none of that type.
func Condition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// IsTrue reports whether a pod has a condition that is true.
func IsTrue(p *corev1.Pod, kind corev1.PodConditionType) bool {
	c := Condition(p, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}

// Ready reports whether a pod is.
func Ready(p *corev1.Pod) bool { return IsTrue(p, corev1.PodReady) }

// ContainersReady reports whether all containers of a pod are, whatever its node says.
func ContainersReady(p *corev1.Pod) bool { return IsTrue(p, corev1.ContainersReady) }

// CutOff reports whether the node controller has marked a pod, whose node is not ready or does
// not report: nobody else calls one not ready whose containers are, and whose gates are open
// (MarkPodsNotReady of pkg/controller/util/node).
func CutOff(p *corev1.Pod) bool {
	return !Ready(p) && ContainersReady(p) && !slices.ContainsFunc(p.Spec.ReadinessGates, func(gate corev1.PodReadinessGate) bool {
		return !IsTrue(p, gate.ConditionType)
	})
}

// ClaimOf is the name of the claim behind a volume, "" for other volumes.
func ClaimOf(p *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return p.Name + "-" + v.Name
	}
	return ""
}

// BeingRemoved reports whether a pod is taken away, as by an eviction.
func BeingRemoved(p *corev1.Pod) bool {
	if c := Condition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return true
	}
	return p.Status.Phase == corev1.PodFailed && p.Status.Reason != ""
}

// TakenUp reports whether the kubelet of a pod's node has begun with it.
func TakenUp(p *corev1.Pod) bool {
	return p.Spec.NodeName == "" || p.Status.StartTime != nil || len(p.Status.ContainerStatuses) > 0
}

// BoundSince is since when a pod has its node: since it was made where its own nodeName
// says so, which no scheduler sees.
func BoundSince(p *corev1.Pod) time.Time {
	if c := Condition(p, corev1.PodScheduled); c != nil {
		return c.LastTransitionTime.Time
	}
	return p.CreationTimestamp.Time
}

// Rejected reports whether the kubelet of a pod's node has refused to begin with it
// (pkg/kubelet/kubelet.go, rejectPod).
func Rejected(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed && strings.HasPrefix(p.Status.Message, "Pod was rejected: ")
}

// AtWork reports whether a pod does what it is for: an init container runs, or some of its
// containers, and the others have done their work.
func AtWork(p *corev1.Pod) bool {
	for _, c := range p.Status.InitContainerStatuses {
		if c.State.Running != nil && IsInit(p, c.Name) {
			return true
		}
	}
	runs := false
	for _, c := range p.Status.ContainerStatuses {
		done := c.State.Terminated != nil && c.State.Terminated.ExitCode == 0
		if c.State.Running == nil && !done {
			return false
		}
		runs = runs || c.State.Running != nil
	}
	return runs
}

// Status is the word that kubectl shows for a pod.
func Status(p *corev1.Pod) string {
	if p.DeletionTimestamp != nil {
		return "Terminating"
	}
	if p.Status.Reason != "" {
		return p.Status.Reason
	}
	done := 0
	for _, c := range p.Status.InitContainerStatuses {
		started := c.Started != nil && *c.Started
		if c.State.Terminated != nil && c.State.Terminated.ExitCode == 0 || !IsInit(p, c.Name) && started {
			done++
			continue
		}
		if word := StateWord(c); word != "" && word != "PodInitializing" {
			return "Init:" + word
		}
		return fmt.Sprintf("Init:%d/%d", done, len(p.Spec.InitContainers))
	}
	for _, c := range p.Status.ContainerStatuses {
		if word := StateWord(c); word != "" {
			return word
		}
	}
	return string(p.Status.Phase)
}
