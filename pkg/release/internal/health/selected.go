package health

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// selecting looks at an object that protects the pods which it selects, in that field of its
// spec, and tells of one that selects none, in the cluster or of the chart. Charts write a
// PodDisruptionBudget by other labels than those of the pods, and a drained node then ends
// them all at once (https://github.com/bitnami/charts/issues/34544, https://github.com/bank-vaults/vault-operator/issues/1064,
// https://github.com/1Password/connect-helm-charts/issues/240), and a NetworkPolicy, which then
// blocks nothing (https://github.com/opensearch-project/helm-charts/issues/287). One for
// pods that are none now, by their number, is as it should be.
func (l looker) selecting(field string) func(context.Context, *unstructured.Unstructured) string {
	return func(ctx context.Context, object *unstructured.Unstructured) string {
		selects := selectorIn(object, field)
		if selects.Empty() || l.makes(object.GetNamespace(), selects) {
			return ""
		}
		pods, err := l.client.CoreV1().Pods(object.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selects.String(), Limit: 1})
		if err != nil || len(pods.Items) > 0 {
			return ""
		}
		return fmt.Sprintf("%s/%s protects nothing: no pod has the labels %s that it selects", object.GetKind(), object.GetName(), selects)
	}
}

// selectorIn is the one in a field of a spec, an empty one where that is none.
func selectorIn(object *unstructured.Unstructured, field string) labels.Selector {
	written, _, _ := unstructured.NestedMap(object.Object, "spec", field)
	var wanted metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(written, &wanted); err != nil {
		return labels.Everything()
	}
	selects, err := metav1.LabelSelectorAsSelector(&wanted)
	if err != nil {
		return labels.Everything()
	}
	return selects
}

// makes reports whether a workload of the revision makes pods with such labels.
func (l looker) makes(namespace string, selects labels.Selector) bool {
	for _, info := range l.wanted {
		object, ok := info.Object.(*unstructured.Unstructured)
		if !ok || info.Namespace != namespace {
			continue
		}
		for _, path := range [][]string{{"spec", "template", "metadata", "labels"}, {"spec", "jobTemplate", "spec", "template", "metadata", "labels"}, {"metadata", "labels"}} {
			if object.GetKind() != "Pod" && len(path) == 2 {
				continue
			}
			if of, found, _ := unstructured.NestedStringMap(object.Object, path...); found && selects.Matches(labels.Set(of)) {
				return true
			}
		}
	}
	return false
}
