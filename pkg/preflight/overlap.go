package preflight

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// overlaps looks for autoscalers that count pods of other workloads, too: they go by the
// selector of what they scale and not by its pods, so that a cache or an exporter with the same labels
// keeps them from scaling, or scales without end (https://github.com/kubernetes/kubernetes/issues/78761,
// https://github.com/kubernetes/kubernetes/issues/124307, https://github.com/nextcloud/helm/issues/22,
// https://github.com/helm/charts/issues/18757). Their status shows the right numbers all the while.
func (c *check) overlaps() {
	all := c.templates()
	for _, o := range c.objects {
		scaler, ok := as[autoscalingv2.HorizontalPodAutoscaler](o)
		if !ok || !isOf(o, "autoscaling", "HorizontalPodAutoscaler") {
			continue
		}
		target := scaler.Spec.ScaleTargetRef
		for _, t := range all {
			if t.object.GetKind() != target.Kind || t.object.GetName() != target.Name || t.object.GetNamespace() != o.GetNamespace() {
				continue
			}
			if other := alsoSelected(t, all); other != "" {
				c.add(record.Concern{Code: "preflight/shared-selector", Object: o.name(),
					Message: fmt.Sprintf("it counts the pods of %s, too: the selector of %s, which it scales, fits both, so that it scales by the load of both", other, t.object.name()),
					Advice:  "give each workload a label of its own in its selector, such as app.kubernetes.io/component; a selector cannot be changed, so that the workload is to be made anew"})
			}
		}
	}
}

// alsoSelected is another workload whose pods the selector of a workload fits, "" for none.
func alsoSelected(t template, all []template) string {
	selects, found := selectorOf(t.object)
	if !found {
		return ""
	}
	for _, other := range all {
		same := other.object.GetKind() == t.object.GetKind() && other.object.GetName() == t.object.GetName()
		if !same && other.object.GetNamespace() == t.object.GetNamespace() && other.lasts() && selects.Matches(labels.Set(other.pod.Labels)) {
			return other.object.name()
		}
	}
	return ""
}

// selectorOf is the selector of a workload; false for one without, or that is none.
func selectorOf(o object) (labels.Selector, bool) {
	written, found, _ := unstructured.NestedMap(o.Object, "spec", "selector") // the dry run has told about another type
	var wanted metav1.LabelSelector
	if !found || runtime.DefaultUnstructuredConverter.FromUnstructured(written, &wanted) != nil {
		return nil, false
	}
	selects, err := metav1.LabelSelectorAsSelector(&wanted)
	return selects, err == nil && !selects.Empty()
}
