package detect

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// takeUpTime is how long a kubelet that is well may take to begin with a pod.
const takeUpTime = 10 * time.Second

// waitTroubles are what a pod waits for that may take its time; they are named
// when the budget has run out.
func waitTroubles(s *cluster.Snapshot, p *corev1.Pod) []Trouble {
	var all []Trouble
	if since := podstate.BoundSince(p); !podstate.TakenUp(p) && s.Now.Sub(since) > takeUpTime {
		all = append(all, OfPod(p, causes.NodeLost, "NodeLost", "node "+p.Spec.NodeName+" has not begun to start it: its kubelet does not run, or does not reach the API server"))
	}
	// A pod that was not ready before its node was lost does not show that.
	if !podstate.Ready(p) && s.Lost(p.Spec.NodeName) {
		all = append(all, OfPod(p, causes.NodeLost, "NodeLost", "node "+p.Spec.NodeName+" is not ready, or does not report; its pods are replaced when it stays so"))
	}
	if c := podstate.Condition(p, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		all = append(all, OfPod(p, causes.PodReplaced, wording.FirstOf(c.Reason, "DisruptionTarget"), wording.FirstOf(c.Message, "the pod has to go")))
	}
	for i, c := range p.Status.InitContainerStatuses {
		if c.State.Running != nil && podstate.IsInit(p, c.Name) {
			t := OfPod(p, causes.InitRunning, "PodInitializing", fmt.Sprintf("init container %d of %d still runs", i+1, len(p.Spec.InitContainers)))
			t.Cause.Container, t.Run = c.Name, podstate.RunOf(p, c)
			all = append(all, t)
		}
	}
	for _, gate := range p.Spec.ReadinessGates {
		if podstate.ContainersReady(p) && !podstate.IsTrue(p, gate.ConditionType) {
			message := fmt.Sprintf("readiness gate %s is not true", gate.ConditionType)
			if c := podstate.Condition(p, gate.ConditionType); c != nil && c.Message != "" {
				message += ": " + c.Message
			}
			all = append(all, OfPod(p, causes.ReadinessGate, "ReadinessGatesNotReady", message))
		}
	}
	return all
}

// ownRules are the scheduler's words for a node that is not what a pod asks for by its own
// rules (pkg/scheduler/framework/plugins): nothing but another node, or the end of a pod
// that it must be apart from, changes that. Room and most taints of the system come and go.
var ownRules = regexp.MustCompile(`^\d+ node\(s\) (?:didn't match (?:pod (?:anti-)?affinity rules|pod topology spread constraints|Pod's node affinity/selector|PersistentVolume's node affinity)|` +
	`didn't satisfy existing pods anti-affinity rules|didn't have free ports for the requested pod ports|had volume node affinity conflict|` +
	`had untolerated taint(?:s)? \{(?:[^n}]|n[^o}]|no[^d}]|node-role\.)[^}]*\})`)

// fitsNowhere reports whether each node is refused by the pod's own rules. The nodes are
// counted once for each of the reasons, which end where preemption is told of.
func fitsNowhere(message string) bool {
	_, reasons, found := strings.Cut(message, " nodes are available: ")
	reasons, _, _ = strings.Cut(reasons, ". ")
	return found && !slices.ContainsFunc(strings.Split(strings.TrimSuffix(reasons, "."), ", "), func(reason string) bool {
		return !ownRules.MatchString(reason)
	})
}

// waitsForRoom are the codes of a pod without a node that finds one when another pod goes.
var waitsForRoom = []string{causes.Unschedulable, causes.NoNodeFits, causes.Preempted, causes.NoScaleUp}

// WaitsForRoom reports whether a trouble may end when another pod of the workload does.
func WaitsForRoom(t Trouble) bool { return slices.Contains(waitsForRoom, t.Cause.Code) }

// unseen is a pod that no scheduler has said a word about: there is none of the name that it
// asks for (https://github.com/kubernetes/website/issues/14056, https://github.com/gocrane/crane-scheduler/issues/5).
// Kubernetes' own comes back.
func unseen(s *cluster.Snapshot, p *corev1.Pod) []Trouble {
	if podstate.Condition(p, corev1.PodScheduled) != nil || p.Spec.NodeName != "" || p.Status.Phase != corev1.PodPending || s.Now.Sub(p.CreationTimestamp.Time) <= takeUpTime {
		return nil
	}
	name := cmp.Or(p.Spec.SchedulerName, corev1.DefaultSchedulerName)
	t := OfPod(p, causes.NoScheduler, "Pending", fmt.Sprintf("no scheduler has looked for a node for it: its schedulerName is %s, which does not run, or does not answer to that name", name))
	t.Recovering = name == corev1.DefaultSchedulerName
	return []Trouble{t}
}

// schedulingTroubles are why a pod has no node. explained says that its claims are
// known to be in trouble, which the scheduler only repeats.
func schedulingTroubles(s *cluster.Snapshot, p *corev1.Pod, explained bool) []Trouble {
	c := podstate.Condition(p, corev1.PodScheduled)
	if c == nil || c.Status != corev1.ConditionFalse || explained && strings.Contains(c.Message, "unbound immediate PersistentVolumeClaims") {
		return nil
	}
	code := map[string]string{
		corev1.PodReasonUnschedulable: causes.Unschedulable, corev1.PodReasonSchedulerError: causes.SchedulerError, corev1.PodReasonSchedulingGated: causes.SchedulingGated,
	}[c.Reason]
	if code == "" {
		return nil
	}
	t := OfPod(p, code, c.Reason, c.Message)
	if code != causes.Unschedulable {
		return []Trouble{t}
	}
	if strings.Contains(c.Message, "persistentvolumeclaim") && strings.Contains(c.Message, "not found") {
		t.Cause.Code = causes.ClaimPending
		return []Trouble{t}
	}
	if words, found := inUse(s, p, c.Message); found {
		t.Cause.Code, t.Cause.Message = causes.ClaimInUse, words
		return []Trouble{t}
	}
	// The newest word of an autoscaler counts: it may first find no room and then some.
	plan := s.Latest(p, "", "TriggerScaleUp", "NotTriggerScaleUp", "Nominated")
	switch {
	case p.Status.NominatedNodeName != "" || plan != nil && plan.Reason != "NotTriggerScaleUp":
		t.Cause.Code = causes.ScalingUp
	case plan != nil:
		t.Cause.Code = causes.NoScaleUp
		t.Cause.Message = wording.Shorten(c.Message + "; autoscaler: " + plan.Message)
	case fitsNowhere(c.Message):
		t.Cause.Code = causes.NoNodeFits
	default:
		if e := s.AboutSiblings(p, "Preempted"); e != nil {
			t.Cause.Code = causes.Preempted
			t.Cause.Message = wording.Shorten(fmt.Sprintf("a pod of a higher priority has taken the place of Pod/%s, which was ended for it (%s), and there is no room for this one in its stead: %s", e.InvolvedObject.Name, e.Message, c.Message))
		}
	}
	return []Trouble{t}
}
