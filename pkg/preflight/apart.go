package preflight

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// apart compares the pods that must each have a node of their own with the nodes: the
// surge of a rolling update that may end no old pod first wants one more
// (https://github.com/kubernetes/kubernetes/issues/56539,
// https://github.com/zalando/postgres-operator/issues/1600). A cluster autoscaler may
// make one, so that it does not block.
func (c *check) apart(t template, nodes []corev1.Node) {
	if !standsAlone(t.pod) {
		return
	}
	needs, words := t.replicas, fmt.Sprintf("each of its %d pods must have a node of its own", t.replicas)
	if t.deploy != nil && !t.canShrink() {
		needs += t.surge
		words += fmt.Sprintf(", and %d more while a rolling update, which may end no old pod first, is under way", t.surge)
	}
	usable := int64(len(slices.DeleteFunc(slices.Clone(nodes), func(n corev1.Node) bool { return n.Spec.Unschedulable })))
	if needs <= usable {
		return
	}
	concern := record.Concern{Code: "preflight/unschedulable", Object: t.object.name(), Message: fmt.Sprintf("%s: there are %d nodes; the rest waits unless one is made", words, usable)}
	if t.replicas <= usable {
		concern.Advice = "set maxSurge: 0 and maxUnavailable: 1, or prefer the anti-affinity only"
	}
	c.add(concern)
}

// standsAlone reports whether a pod lets no other one of its own on its node.
func standsAlone(pod corev1.PodTemplateSpec) bool {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return false
	}
	return slices.ContainsFunc(pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, func(term corev1.PodAffinityTerm) bool {
		selector, err := metav1.LabelSelectorAsSelector(term.LabelSelector)
		own := len(term.Namespaces) == 0 && term.NamespaceSelector == nil && len(term.MatchLabelKeys) == 0 && len(term.MismatchLabelKeys) == 0
		return err == nil && own && term.TopologyKey == corev1.LabelHostname && selector.Matches(labels.Set(pod.Labels))
	})
}
