package rollout

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// outsideTimeout bounds the reading of Services when all else is over.
const outsideTimeout = 5 * time.Second

// unaddressed says of the Services of type LoadBalancer which have no address, with what their
// controller last said about that. Clusters without such a controller never give one, so that
// nobody waits for it (https://github.com/helm/helm/issues/7513,
// https://github.com/fluxcd/flux2/issues/5052); but nobody outside gets in by it either. What
// cannot be read is left out.
func (v *wait) unaddressed() (notes []string) {
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
		notes = append(notes, fmt.Sprintf("Service/%s is of type LoadBalancer and has no address: from outside of the cluster nothing leads to it by that%s", s.Name, v.complaint(ctx, live)))
	}
	return notes
}

// isBalanced reports whether somebody is to give a Service an address: one with externalIPs
// has its own.
func isBalanced(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && len(s.Spec.ExternalIPs) == 0
}

// complaint is the newest warning about a Service, with a colon before it.
func (v *wait) complaint(ctx context.Context, s *corev1.Service) string {
	about := fields.Set{"involvedObject.kind": "Service", "involvedObject.name": s.Name}
	all, err := v.Client.CoreV1().Events(s.Namespace).List(ctx, metav1.ListOptions{FieldSelector: about.String()})
	if err != nil {
		return ""
	}
	var last *corev1.Event
	for i, e := range all.Items {
		own := e.InvolvedObject.Kind == "Service" && e.InvolvedObject.Name == s.Name
		if own && e.Type == corev1.EventTypeWarning && (last == nil || podstate.SeenAt(&e).After(podstate.SeenAt(last))) {
			last = &all.Items[i]
		}
	}
	if last == nil {
		return "; no controller has said anything about it"
	}
	return fmt.Sprintf(": %s: %s", last.Reason, wording.Shorten(last.Message))
}
