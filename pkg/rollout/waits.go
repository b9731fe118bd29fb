package rollout

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// probeTrouble is a probe that fails while its budget lasts; the kubelet ends the
// container when it is used up.
func probeTrouble(s *snapshot, p *corev1.Pod, c corev1.ContainerStatus) (trouble, bool) {
	if c.State.Running == nil || c.Ready {
		return trouble{}, false
	}
	e := s.latest(p, c.Name, "Unhealthy")
	if e == nil || seenAt(e).Before(c.State.Running.StartedAt.Time) {
		return trouble{}, false
	}
	return trouble{specific: true, run: containerKey(p, c), cause: record.Cause{
		Code: codeProbe, Object: "Pod/" + p.Name, Container: c.Name, Reason: e.Reason, Message: shorten(e.Message)}}, true
}

// waitTroubles are what a pod waits for that may take its time; they are named
// when the budget has run out.
func waitTroubles(p *corev1.Pod) []trouble {
	var all []trouble
	// Only the node controller calls a pod not ready whose containers are.
	cut := !ready(p) && containersReady(p) && len(p.Spec.ReadinessGates) == 0
	if c := condition(p, corev1.PodReady); cut || c != nil && c.Status == corev1.ConditionUnknown || p.Status.Reason == "NodeLost" {
		all = append(all, podTrouble(p, codeNode, "NodeLost", "node "+p.Spec.NodeName+" does not report; its pods are replaced when it stays away"))
	}
	if c := condition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		all = append(all, podTrouble(p, codeEvicted, firstOf(c.Reason, "DisruptionTarget"), firstOf(c.Message, "the pod has to go")))
	}
	for i, c := range p.Status.InitContainerStatuses {
		if c.State.Running != nil && isInit(p, c.Name) {
			t := podTrouble(p, codeInit, "PodInitializing", fmt.Sprintf("init container %d of %d still runs", i+1, len(p.Spec.InitContainers)))
			t.cause.Container, t.run = c.Name, containerKey(p, c)
			all = append(all, t)
		}
	}
	for _, gate := range p.Spec.ReadinessGates {
		if c := condition(p, gate.ConditionType); containersReady(p) && (c == nil || c.Status != corev1.ConditionTrue) {
			message := fmt.Sprintf("readiness gate %s is not true", gate.ConditionType)
			if c != nil && c.Message != "" {
				message += ": " + c.Message
			}
			all = append(all, podTrouble(p, codeGate, "ReadinessGatesNotReady", message))
		}
	}
	return all
}

func containersReady(p *corev1.Pod) bool {
	c := condition(p, corev1.ContainersReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// schedulingTroubles are why a pod has no node. explained says that its claims are
// known to be in trouble, which the scheduler only repeats.
func schedulingTroubles(s *snapshot, p *corev1.Pod, explained bool) []trouble {
	c := condition(p, corev1.PodScheduled)
	if c == nil || c.Status != corev1.ConditionFalse || explained && strings.Contains(c.Message, "unbound immediate PersistentVolumeClaims") {
		return nil
	}
	code := map[string]string{
		corev1.PodReasonUnschedulable: codeUnschedulable, corev1.PodReasonSchedulerError: codeScheduler, corev1.PodReasonSchedulingGated: codeGated,
	}[c.Reason]
	if code == "" {
		return nil
	}
	t := podTrouble(p, code, c.Reason, c.Message)
	if code != codeUnschedulable {
		return []trouble{t}
	}
	if strings.Contains(c.Message, "persistentvolumeclaim") && strings.Contains(c.Message, "not found") {
		t.cause.Code = codeClaim
		return []trouble{t}
	}
	// The newest word of an autoscaler counts: it may first find no room and then some.
	plan := s.latest(p, "", "TriggerScaleUp", "NotTriggerScaleUp", "Nominated")
	switch {
	case p.Status.NominatedNodeName != "" || plan != nil && plan.Reason != "NotTriggerScaleUp":
		t.cause.Code = codeScaleUp
	case plan != nil:
		t.cause.Code = codeNoScaleUp
		t.cause.Message = shorten(c.Message + "; autoscaler: " + plan.Message)
	}
	return []trouble{t}
}
