package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubectl/pkg/util/podutils"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// gaps looks for Services that lead to no pod while the deploy goes on: their selector or
// their targetPort changes at once, and the pods that have what they ask for come later
// (https://github.com/cloudfoundry-incubator/kubecf/pull/1325, https://github.com/open-sspm/open-sspm/pull/135).
// Everything is fine before and after, so that nothing else shows it.
func (c *check) gaps(ctx context.Context) {
	for _, next := range c.rendered() {
		live, err := c.Client.CoreV1().Services(next.Namespace).Get(ctx, next.Name, metav1.GetOptions{})
		if err != nil || len(next.Spec.Selector) == 0 || len(live.Spec.Selector) == 0 {
			continue
		}
		serving := c.readyPods(ctx, next.Namespace, labels.SelectorFromSet(live.Spec.Selector))
		if len(serving) == 0 {
			continue // no pod serves now
		}
		pods := serving
		if !maps.Equal(live.Spec.Selector, next.Spec.Selector) {
			pods = c.readyPods(ctx, next.Namespace, labels.SelectorFromSet(next.Spec.Selector))
		}
		if len(pods) == 0 {
			c.gap(next.Name, fmt.Sprintf("its selector changes from %s to %s, which no pod has that runs now", labels.Set(live.Spec.Selector), labels.Set(next.Spec.Selector)),
				"let it select by labels that stay the same from one version to the next, without that of the chart or the application")
			continue
		}
		for _, port := range next.Spec.Ports {
			if port.TargetPort == (intstr.IntOrString{}) {
				port.TargetPort = intstr.FromInt32(port.Port) // as the API server's default
			}
			if before, found := samePort(live, port); found && before.TargetPort != port.TargetPort && !anyOffers(pods, port.TargetPort) {
				c.gap(next.Name, fmt.Sprintf("the targetPort of its port %d changes from %s to %s, which no pod has that runs now", port.Port, before.TargetPort.String(), port.TargetPort.String()),
					"give the container's port a name that stays the same, and the Service that name")
			}
		}
	}
}

func (c *check) gap(name, why, advice string) {
	c.add(record.Concern{Code: "preflight/service-gap", Object: "Service/" + name, Advice: advice,
		Message: why + ": from the moment when it is applied until the first new pod is ready it leads nowhere, and requests fail"})
}

// readyPods are those of a namespace that are selected and serve now.
func (c *check) readyPods(ctx context.Context, namespace string, selects labels.Selector) []corev1.Pod {
	all, err := c.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selects.String()})
	if err != nil {
		return nil // permissions says so
	}
	return slices.DeleteFunc(all.Items, func(p corev1.Pod) bool {
		return !podutils.IsPodReady(&p) || p.DeletionTimestamp != nil
	})
}

// samePort is the port that a Service has now where a planned one is.
func samePort(live *corev1.Service, port corev1.ServicePort) (corev1.ServicePort, bool) {
	i := slices.IndexFunc(live.Spec.Ports, func(p corev1.ServicePort) bool {
		return p.Port == port.Port && (p.Protocol == port.Protocol || port.Protocol == "" && p.Protocol == corev1.ProtocolTCP)
	})
	if i < 0 {
		return corev1.ServicePort{}, false
	}
	return live.Spec.Ports[i], true
}

// anyOffers reports whether a container of some pod says that it has the port.
func anyOffers(pods []corev1.Pod, port intstr.IntOrString) bool {
	return slices.ContainsFunc(pods, func(p corev1.Pod) bool {
		return slices.ContainsFunc(slices.Concat(p.Spec.Containers, p.Spec.InitContainers), func(c corev1.Container) bool {
			return slices.ContainsFunc(c.Ports, func(own corev1.ContainerPort) bool {
				return own.Name == port.StrVal && port.Type == intstr.String || strconv.Itoa(int(own.ContainerPort)) == port.String()
			})
		})
	})
}

// policies looks for NetworkPolicies that leave the pods that run now, and come for the new
// ones only: where another policy denies everything nothing reaches the old pods until they are replaced
// (https://github.com/bitnami/charts/issues/15936), and where none does, everything.
func (c *check) policies(ctx context.Context) {
	for _, o := range c.objects {
		next, ok := as[networkingv1.NetworkPolicy](o)
		if !ok || !isOf(o, networkingv1.GroupName, "NetworkPolicy") {
			continue
		}
		live, err := c.Client.NetworkingV1().NetworkPolicies(o.GetNamespace()).Get(ctx, o.GetName(), metav1.GetOptions{})
		if err != nil || apiequality.Semantic.DeepEqual(live.Spec.PodSelector, next.Spec.PodSelector) {
			continue
		}
		before, errBefore := metav1.LabelSelectorAsSelector(&live.Spec.PodSelector)
		after, errAfter := metav1.LabelSelectorAsSelector(&next.Spec.PodSelector)
		if errBefore != nil || errAfter != nil || len(c.readyPods(ctx, o.GetNamespace(), before)) == 0 || len(c.readyPods(ctx, o.GetNamespace(), after)) > 0 {
			continue
		}
		c.add(record.Concern{Code: "preflight/service-gap", Object: o.name(),
			Message: fmt.Sprintf("its selector changes from %s to %s, which no pod has that runs now: from the moment when it is applied until they are replaced it is for none of them, and what it allows them another policy may deny", before, after),
			Advice:  "let it select by labels that stay the same from one version to the next, without that of the chart or the application"})
	}
}
