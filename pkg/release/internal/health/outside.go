package health

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/stagecrew/stagecrew/pkg/events"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// settling is what a controller may take to give an Ingress its address: some do it once a
// minute.
const settling = 2 * time.Minute

// ingress tells of one without an address only where one is known to be due: its
// controller complains of it, or another Ingress of its class has one. Many controllers
// never write addresses (https://github.com/helm/helm/issues/5256). Where it is complained
// of, see https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/4437 and
// https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2476.
func (l looker) ingress(ctx context.Context, object *unstructured.Unstructured) string {
	if hasAddress(object.Object) {
		return ""
	}
	if e := l.complaint(ctx, object); e != nil {
		return fmt.Sprintf("Ingress/%s has no address: %s: %s", object.GetName(), e.Reason, text.Middle(e.Message, maxWords))
	}
	age := l.now.Sub(object.GetCreationTimestamp().Time)
	if age < settling {
		return ""
	}
	all, err := l.client.NetworkingV1().Ingresses(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if isDenied(err) {
		all, err = l.client.NetworkingV1().Ingresses(object.GetNamespace()).List(ctx, metav1.ListOptions{})
	}
	if err != nil {
		return ""
	}
	named, _, _ := unstructured.NestedString(object.Object, "spec", "ingressClassName")
	for i := range all.Items {
		other := &all.Items[i]
		if len(other.Status.LoadBalancer.Ingress) > 0 && classOf(other, deref(other.Spec.IngressClassName)) == classOf(object, named) {
			return fmt.Sprintf("Ingress/%s is there since %s and has no address, and Ingress/%s of the same class in namespace %s has one: its controller does not take it",
				object.GetName(), text.Duration(age.Round(time.Second)), other.Name, other.Namespace)
		}
	}
	return ""
}

func hasAddress(object map[string]any) bool {
	given, _, _ := unstructured.NestedSlice(object, "status", "loadBalancer", "ingress")
	return len(given) > 0
}

// classOf is what an Ingress says of whose it is, "" for the default.
func classOf(object metav1.Object, named string) string {
	if named != "" {
		return named
	}
	return object.GetAnnotations()["kubernetes.io/ingress.class"]
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// complaint is the newest warning about an object, nil for none.
func (l looker) complaint(ctx context.Context, object *unstructured.Unstructured) *corev1.Event {
	about := fields.Set{"involvedObject.kind": object.GetKind(), "involvedObject.name": object.GetName(), "type": corev1.EventTypeWarning}
	all, err := l.client.CoreV1().Events(object.GetNamespace()).List(ctx, metav1.ListOptions{FieldSelector: about.String()})
	if err != nil {
		return nil
	}
	var last *corev1.Event
	for i := range all.Items {
		e := &all.Items[i]
		own := e.InvolvedObject.UID == object.GetUID() && e.Type == corev1.EventTypeWarning
		if own && (last == nil || events.SeenAt(e).After(events.SeenAt(last))) {
			last = e
		}
	}
	return last
}
