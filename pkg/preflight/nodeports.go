package preflight

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The ports that an API server gives to Services of type NodePort unless it is told others
// (--service-node-port-range). Its dry run knows which of them are taken, and takes any other
// port (pkg/registry/core/service/portallocator/operation.go;
// https://github.com/kubernetes/kubernetes/issues/75540): it cannot be asked for its range.
const firstNodePort, lastNodePort = 30000, 32767

func isOutside(port int32) bool { return port != 0 && (port < firstNodePort || port > lastNodePort) }

func anyOutside(s corev1.Service) bool {
	return slices.ContainsFunc(s.Spec.Ports, func(port corev1.ServicePort) bool { return isOutside(port.NodePort) })
}

// nodePorts looks for those that the API server will hardly give: charts write the port that
// visitors ask for (https://github.com/Mailu/helm-charts/issues/268,
// https://github.com/Addyvan/valheim-k8s/issues/46, https://github.com/redpanda-data/redpanda/issues/13347).
// A cluster that has given such a port has another range.
func (c *check) nodePorts(ctx context.Context) {
	for _, o := range c.objects {
		s, ok := as[corev1.Service](o)
		if !ok || !isOf(o, "", "Service") || s.Spec.Type != corev1.ServiceTypeNodePort && s.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		if !anyOutside(s) || c.givesOthers(ctx, o) {
			continue
		}
		for i, port := range s.Spec.Ports {
			if isOutside(port.NodePort) {
				c.add(record.Concern{Code: "preflight/node-port", Object: o.name(),
					Message: fmt.Sprintf("spec.ports[%d].nodePort is %d; unless this cluster has a range of its own, the API server gives %d to %d only, and rejects the Service when it is applied: its dry run does not tell", i, port.NodePort, firstNodePort, lastNodePort),
					Advice:  "leave nodePort out, and Kubernetes chooses one; what a load balancer's visitors ask for is port"})
			}
		}
	}
}

// givesOthers reports whether the cluster is known to give other ports: to any Service, or,
// where that may not be read, to this one.
func (c *check) givesOthers(ctx context.Context, o object) bool {
	var known []corev1.Service
	if all, err := c.Client.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{}); err == nil {
		known = all.Items
	} else if own, err := c.Client.CoreV1().Services(o.GetNamespace()).Get(ctx, o.GetName(), metav1.GetOptions{}); err == nil {
		known = []corev1.Service{*own}
	}
	return slices.ContainsFunc(known, anyOutside)
}
