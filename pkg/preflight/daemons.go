package preflight

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// daemons looks for a DaemonSet that no node is for, by its nodeSelector, its affinity or the
// nodes' taints: its controller wants no pod then, and calls that complete
// (https://github.com/kubernetes/kubernetes/issues/51785, https://github.com/openshift/origin/issues/19678,
// https://github.com/kubernetes/kubernetes/issues/42398, https://github.com/kubernetes/kubernetes/issues/72017).
// A node may be made for it, so that it blocks only where pods run now, which would end.
func (c *check) daemons(ctx context.Context, t template, nodes []corev1.Node) {
	if t.object.GetKind() != "DaemonSet" {
		return
	}
	var reasons []string
	for _, n := range nodes {
		why := keepsOff(t.pod.Spec, n)
		if why == "" {
			return
		}
		if !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	concern := record.Concern{Code: "preflight/unschedulable", Object: t.object.name(),
		Message: fmt.Sprintf("it is for none of the %d nodes: %s; it runs nowhere, and nothing of it can be proven", len(nodes), listed(reasons)),
		Advice:  "mend its nodeSelector, affinity or tolerations, or label a node"}
	if live, err := c.Client.AppsV1().DaemonSets(t.object.GetNamespace()).Get(ctx, t.object.GetName(), metav1.GetOptions{}); err == nil && live.Status.DesiredNumberScheduled > 0 {
		concern.Blocks = true
		concern.Message += fmt.Sprintf("; it has %d pods now, and all of them end", live.Status.DesiredNumberScheduled)
	}
	c.add(concern)
}

// ownNode looks for pods that name a node which is not there: no scheduler looks for
// another one, no kubelet begins with them, and no event tells of it
// (https://github.com/rancher/rancher/issues/27831).
func (c *check) ownNode(t template, nodes []corev1.Node) {
	name := t.pod.Spec.NodeName
	if name == "" || slices.ContainsFunc(nodes, func(n corev1.Node) bool { return n.Name == name }) {
		return
	}
	var there []string
	for _, n := range nodes {
		there = append(there, n.Name)
	}
	c.add(record.Concern{Code: "preflight/unschedulable", Object: t.object.name(), Blocks: !t.later,
		Message: fmt.Sprintf("its pods name the node %q, which is not there: nobody looks for another one, and nobody begins with them; there is %s", name, listed(there)),
		Advice:  "leave nodeName to the scheduler, and use nodeSelector"})
}
