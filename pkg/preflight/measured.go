package preflight

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// measured looks for autoscalers that go by a share of what pods ask for, of pods that ask
// for nothing: they never scale, and say so in their status only
// (https://github.com/kubernetes/kubernetes/issues/79365, https://github.com/hyscale/hyscale/issues/200).
func (c *check) measured(ctx context.Context) {
	given := defaults(c.limitRanges(ctx))
	for _, o := range c.objects {
		scaler, ok := as[autoscalingv2.HorizontalPodAutoscaler](o)
		if !ok || !isOf(o, "autoscaling", "HorizontalPodAutoscaler") || o.GroupVersionKind().Version != "v2" {
			continue
		}
		for _, t := range c.templates() {
			target := scaler.Spec.ScaleTargetRef
			if t.object.GetKind() != target.Kind || t.object.GetName() != target.Name || t.object.GetNamespace() != o.GetNamespace() {
				continue
			}
			for _, m := range scaler.Spec.Metrics {
				if container, found := unasked(m, t.pod.Spec, given); found {
					c.add(record.Concern{Code: "preflight/no-request", Object: o.name(),
						Message: fmt.Sprintf("it scales %s by the share of the %s that its pods ask for, and container %s asks for none: it never scales", t.object.name(), m.Resource.Name, container),
						Advice:  "give the container resources.requests, or the metric a target of type AverageValue"})
				}
			}
		}
	}
}

// unasked is the first container without a request that a metric by share needs.
func unasked(m autoscalingv2.MetricSpec, pod corev1.PodSpec, given corev1.ResourceRequirements) (container string, found bool) {
	if m.Type != autoscalingv2.ResourceMetricSourceType || m.Resource == nil || m.Resource.Target.Type != autoscalingv2.UtilizationMetricType {
		return "", false
	}
	name := m.Resource.Name
	for _, c := range pod.Containers {
		asked := false
		for _, list := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits, given.Requests, given.Limits} {
			if _, has := list[name]; has {
				asked = true
			}
		}
		if !asked {
			return c.Name, true
		}
	}
	return "", false
}
