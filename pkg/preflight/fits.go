package preflight

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/klog/v2"
)

// keepsOff is why a DaemonSet puts no pod on a node, "" where it does. Room is no reason: the
// pod is made then, and waits (kubernetes pkg/controller/daemon/daemon_controller.go, NodeShouldRunDaemonPod).
func keepsOff(pod corev1.PodSpec, n corev1.Node) string {
	switch {
	case pod.NodeName != "" && pod.NodeName != n.Name:
		return "its nodeName is " + pod.NodeName
	case !labels.SelectorFromSet(pod.NodeSelector).Matches(labels.Set(n.Labels)):
		return "its nodeSelector " + labels.Set(pod.NodeSelector).String()
	case !wanted(pod.Affinity, n):
		return "its nodeAffinity"
	}
	for _, taint := range n.Spec.Taints {
		if hard := taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute; hard && !tolerates(pod, taint) {
			return "the taint " + taint.ToString()
		}
	}
	return ""
}

// tolerated are the taints of the system that each pod of a DaemonSet tolerates.
var tolerated = []string{
	corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeDiskPressure, corev1.TaintNodeMemoryPressure,
	corev1.TaintNodePIDPressure, corev1.TaintNodeUnschedulable, corev1.TaintNodeNetworkUnavailable,
}

func tolerates(pod corev1.PodSpec, taint corev1.Taint) bool {
	return slices.Contains(tolerated, taint.Key) || slices.ContainsFunc(pod.Tolerations, func(t corev1.Toleration) bool {
		return t.ToleratesTaint(klog.Background(), &taint, true)
	})
}

// wanted reports whether one of the terms that a pod requires of its node holds for it.
func wanted(affinity *corev1.Affinity, n corev1.Node) bool {
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	return slices.ContainsFunc(affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms, func(term corev1.NodeSelectorTerm) bool {
		none := len(term.MatchExpressions)+len(term.MatchFields) == 0
		unmet := func(values labels.Set) func(corev1.NodeSelectorRequirement) bool {
			return func(r corev1.NodeSelectorRequirement) bool { return !meets(values, r) }
		}
		return !none && !slices.ContainsFunc(term.MatchExpressions, unmet(n.Labels)) &&
			!slices.ContainsFunc(term.MatchFields, unmet(labels.Set{"metadata.name": n.Name}))
	})
}

// meets reports whether labels, or the fields of a node, are as a requirement asks; one that
// cannot be read has been refused by the API server.
func meets(values labels.Set, r corev1.NodeSelectorRequirement) bool {
	if r.Operator == corev1.NodeSelectorOpGt || r.Operator == corev1.NodeSelectorOpLt {
		return compares(values, r)
	}
	operator, known := map[corev1.NodeSelectorOperator]selection.Operator{
		corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
		corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
	}[r.Operator]
	requirement, err := labels.NewRequirement(r.Key, operator, r.Values)
	return !known || err != nil || requirement.Matches(values)
}

// compares is what Gt and Lt ask of a label that is a number.
func compares(values labels.Set, r corev1.NodeSelectorRequirement) bool {
	have, err := strconv.ParseInt(values[r.Key], 10, 64)
	want, wrong := strconv.ParseInt(strings.Join(r.Values, ""), 10, 64)
	if err != nil || wrong != nil {
		return false
	}
	return r.Operator == corev1.NodeSelectorOpGt && have > want || r.Operator == corev1.NodeSelectorOpLt && have < want
}
