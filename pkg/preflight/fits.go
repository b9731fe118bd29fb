package preflight

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
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

// wanted reports whether a node is as the pod's affinity requires; terms that cannot be read
// have been refused by the API server.
func wanted(affinity *corev1.Affinity, n corev1.Node) bool {
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	matches, err := nodeaffinity.NewLazyErrorNodeSelector(affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution).Match(&n)
	return matches || err != nil
}
