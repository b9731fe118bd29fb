package rollout

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// outsideTimeout bounds the reading of Services when all else is over.
const outsideTimeout = 5 * time.Second

// unaddressed says of the Services of type LoadBalancer which have no address, with what their
// controller last said about that. Clusters without such a controller never give one, so that
// it is not waited for (https://github.com/helm/helm/issues/7513,
// https://github.com/fluxcd/flux2/issues/5052); but no request from outside gets in by it
// either. What cannot be read is left out.
func (v *wait) unaddressed(seen *cluster.Snapshot) (notes []string) {
	ctx, cancel := context.WithTimeout(v.ctx, outsideTimeout)
	defer cancel()
	for _, s := range v.watch.services {
		if !s.Balanced {
			continue
		}
		live, err := v.Client.CoreV1().Services(s.Namespace).Get(ctx, s.Name, metav1.GetOptions{})
		if err != nil || !isBalanced(live) || len(live.Status.LoadBalancer.Ingress) > 0 {
			continue
		}
		notes = append(notes, fmt.Sprintf("Service/%s is of type LoadBalancer and has no address: from outside of the cluster nothing leads to it by that%s", s.Name, complaint(seen, live)))
	}
	return notes
}

// isBalanced reports whether a controller is to give a Service an address: one with externalIPs
// has its own.
func isBalanced(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(s.Spec.ExternalIPs) == 0
}

// complaint is the newest warning about a Service, with a colon before it.
func complaint(s *cluster.Snapshot, about *corev1.Service) string {
	last := s.About("Service", about.Namespace, about.Name)
	if last == nil {
		return "; no controller has said anything about it"
	}
	return fmt.Sprintf(": %s: %s", last.Reason, wording.Shorten(last.Message))
}
