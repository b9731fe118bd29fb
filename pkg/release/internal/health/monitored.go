package health

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/resource"
)

// monitored looks at a ServiceMonitor of Prometheus' operator, whose selector must fit the
// labels of a Service, and whose ports that Service must have by these names: else nothing is
// read, no alert ever comes, and nothing says so
// (https://github.com/arangodb/kube-arangodb/issues/1672, https://github.com/bokysan/docker-postfix/issues/162,
// https://github.com/kubeshop/botkube/issues/431). One for Services of other namespaces, and
// what may not be read, is left out.
func (l looker) monitored(ctx context.Context, object *unstructured.Unstructured) string {
	return cmp.Or(l.readsNothing(ctx, object), l.custom(ctx, object))
}

func (l looker) readsNothing(ctx context.Context, object *unstructured.Unstructured) string {
	selects := selectorIn(object, "selector")
	if selects.Empty() || looksElsewhere(object) {
		return ""
	}
	all, err := l.client.CoreV1().Services(object.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: selects.String()})
	if err != nil {
		return ""
	}
	name := "ServiceMonitor/" + object.GetName()
	if len(all.Items) == 0 {
		return fmt.Sprintf("%s reads nothing: no Service has the labels %s that it selects%s", name, selects, l.labelled(object.GetNamespace()))
	}
	endpoints, _, _ := unstructured.NestedSlice(object.Object, "spec", "endpoints")
	for _, e := range endpoints {
		e, _ := e.(map[string]any)
		port, _ := e["port"].(string)
		if port != "" && !slices.ContainsFunc(all.Items, func(s corev1.Service) bool { return hasPort(s, port) }) {
			return fmt.Sprintf("%s reads nothing at port %q: Service/%s, which it selects, has no port of that name", name, port, all.Items[0].Name)
		}
	}
	return ""
}

func hasPort(s corev1.Service, name string) bool {
	return slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == name })
}

// looksElsewhere reports whether a ServiceMonitor is for other namespaces than its own.
func looksElsewhere(object *unstructured.Unstructured) bool {
	anywhere, _, _ := unstructured.NestedBool(object.Object, "spec", "namespaceSelector", "any")
	named, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "namespaceSelector", "matchNames")
	return anywhere || slices.ContainsFunc(named, func(n string) bool { return n != object.GetNamespace() })
}

// labelled says which labels the Services of the revision have in a namespace, "" where it has none.
func (l looker) labelled(namespace string) string {
	var all []string
	for _, info := range l.wanted {
		if service, ok := info.Object.(*unstructured.Unstructured); ok && isService(info) && info.Namespace == namespace {
			all = append(all, fmt.Sprintf("Service/%s has %s", info.Name, labels.Set(service.GetLabels())))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "; " + strings.Join(all[:min(len(all), maxServices)], ", ")
}

// maxServices bounds how many Services are named.
const maxServices = 3

func isService(info *resource.Info) bool {
	return info.Mapping.GroupVersionKind.Group == "" && info.Mapping.GroupVersionKind.Kind == "Service"
}
