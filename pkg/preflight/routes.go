package preflight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// backend is a Service that something outside of the pods leads to.
type backend struct {
	field           string // "spec.rules[0].http.paths[1].backend"
	namespace, name string
	port            string // its name or number, "" where none is asked for
}

// useAnnotation is the port of a backend that is no Service: the load balancer
// controller of AWS reads an annotation instead
// (https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1626).
const useAnnotation = "use-annotation"

// routes looks for routes whose Service or port is nowhere: requests get 503 or 404,
// and pods that are ready do not show it. A controller may make it late, so that it
// never blocks.
func (c *check) routes(ctx context.Context) {
	for _, o := range c.objects {
		for _, b := range backends(o) {
			if b.name != "" && b.port != useAnnotation {
				c.backend(ctx, o, b)
			}
		}
	}
	c.classes(ctx)
}

// classes looks for those of the Ingresses: of one that is not there no controller takes it
// (https://github.com/kubernetes-sigs/kubespray/issues/10401, https://github.com/rancher/rancher/issues/35053).
func (c *check) classes(ctx context.Context) {
	wanting := slices.DeleteFunc(slices.Clone(c.objects), func(o object) bool { return classOf(o) == nil })
	if len(wanting) == 0 {
		return
	}
	live, err := c.Client.NetworkingV1().IngressClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return // who may only see one namespace is not told
	}
	var all []string
	for _, l := range live.Items {
		all = append(all, "IngressClass/"+l.Name)
	}
	for _, own := range c.objects {
		if isOf(own, networkingv1.GroupName, "IngressClass") {
			all = append(all, own.name())
		}
	}
	for _, o := range wanting {
		if name := *classOf(o); !slices.Contains(all, "IngressClass/"+name) {
			c.add(leadsNowhere(o, fmt.Sprintf("spec.ingressClassName is %s, which is neither in the chart nor in the cluster, so that no controller takes it; %s", name, thereIs(all))))
		}
	}
}

// classOf is the class that an Ingress names, nil for none and of what is no Ingress.
func classOf(o object) *string {
	ingress, ok := as[networkingv1.Ingress](o)
	if !ok || !isOf(o, networkingv1.GroupName, "Ingress") {
		return nil
	}
	return ingress.Spec.IngressClassName
}

// isOf reports whether an object is of a kind, in any version.
func isOf(o object, group, kind string) bool {
	gk := o.GroupVersionKind().GroupKind()
	return gk.Group == group && gk.Kind == kind
}

// backends are where an Ingress, or a route of the Gateway API, leads.
func backends(o object) []backend {
	gk := o.GroupVersionKind().GroupKind()
	switch {
	case isOf(o, networkingv1.GroupName, "Ingress"):
		return ingressBackends(o)
	case gk.Group == "gateway.networking.k8s.io" && strings.HasSuffix(gk.Kind, "Route"):
		return routeBackends(o)
	}
	return nil
}

func ingressBackends(o object) []backend {
	ingress, ok := as[networkingv1.Ingress](o)
	if !ok {
		return nil
	}
	var all []backend
	add := func(field string, b *networkingv1.IngressBackend) {
		if b == nil || b.Service == nil {
			return
		}
		port := b.Service.Port.Name
		if port == "" && b.Service.Port.Number != 0 {
			port = strconv.Itoa(int(b.Service.Port.Number))
		}
		all = append(all, backend{field, o.GetNamespace(), b.Service.Name, port})
	}
	add("spec.defaultBackend", ingress.Spec.DefaultBackend)
	for i, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for j := range rule.HTTP.Paths {
			add(fmt.Sprintf("spec.rules[%d].http.paths[%d].backend", i, j), &rule.HTTP.Paths[j].Backend)
		}
	}
	return all
}

// gatewayRoute is what all kinds of routes of the Gateway API have in common.
type gatewayRoute struct {
	Spec struct {
		Rules []struct {
			BackendRefs []backendRef `json:"backendRefs"`
		} `json:"rules"`
	} `json:"spec"`
}

type backendRef struct {
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Port      int64  `json:"port"`
}

func routeBackends(o object) []backend {
	route, ok := as[gatewayRoute](o)
	if !ok {
		return nil
	}
	var all []backend
	for i, rule := range route.Spec.Rules {
		for j, ref := range rule.BackendRefs {
			if ref.Group != "" || ref.Kind != "" && ref.Kind != "Service" {
				continue
			}
			b := backend{field: fmt.Sprintf("spec.rules[%d].backendRefs[%d]", i, j), namespace: cmp.Or(ref.Namespace, o.GetNamespace()), name: ref.Name}
			if ref.Port != 0 {
				b.port = strconv.FormatInt(ref.Port, 10)
			}
			all = append(all, b)
		}
	}
	return all
}

// backend compares one backend with the Services that there will be.
func (c *check) backend(ctx context.Context, o object, b backend) {
	service, err := c.service(ctx, b.namespace, b.name)
	switch {
	case apierrors.IsNotFound(err):
		c.nowhere(o, b.field, "Service/"+b.name, b.namespace, c.services(ctx, b.namespace))
	case err != nil, service.Spec.Type == corev1.ServiceTypeExternalName:
	case b.port != "" && !hasPort(*service, b.port):
		c.add(leadsNowhere(o, fmt.Sprintf("%s leads to port %s of Service/%s, which has no such port; it has %s", b.field, b.port, b.name, ports(*service))))
	}
}

// service is that of the manifest, or the live one that stays.
func (c *check) service(ctx context.Context, namespace, name string) (*corev1.Service, error) {
	for _, s := range c.rendered() {
		if s.Name == name && s.Namespace == namespace {
			return &s, nil
		}
	}
	if _, found := c.deletes(namespace, reference{kind: "Service", name: name}); found {
		return nil, apierrors.NewNotFound(corev1.Resource("services"), name)
	}
	return c.Client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
}

// rendered are the Services of the manifest.
func (c *check) rendered() []corev1.Service {
	var all []corev1.Service
	for _, o := range c.objects {
		if s, ok := as[corev1.Service](o); ok && o.GetKind() == "Service" && o.GroupVersionKind().Group == "" {
			all = append(all, s)
		}
	}
	return all
}

// services describes those of a namespace, of the manifest and the live ones, as far
// as they may be read.
func (c *check) services(ctx context.Context, namespace string) []string {
	var all []string
	for _, s := range c.rendered() {
		if s.Namespace == namespace {
			all = append(all, described(s))
		}
	}
	live, err := c.Client.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return all
	}
	for _, s := range live.Items {
		_, goes := c.deletes(namespace, reference{kind: "Service", name: s.Name})
		if !goes && !slices.ContainsFunc(c.rendered(), func(r corev1.Service) bool { return r.Name == s.Name && r.Namespace == namespace }) {
			all = append(all, described(s))
		}
	}
	return all
}

// described gives "Service/web (http 80, 9090)".
func described(s corev1.Service) string { return "Service/" + s.Name + " (" + ports(s) + ")" }

func ports(s corev1.Service) string {
	var all []string
	for _, p := range s.Spec.Ports {
		all = append(all, strings.TrimSpace(p.Name+" "+strconv.Itoa(int(p.Port))))
	}
	if len(all) == 0 {
		return "no port"
	}
	return strings.Join(all, ", ")
}

// hasPort reports whether a port is there, by its name or number.
func hasPort(s corev1.Service, port string) bool {
	return slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == port || strconv.Itoa(int(p.Port)) == port })
}

// nowhere tells of a field that names something that is not there.
func (c *check) nowhere(o object, field, target, namespace string, there []string) {
	c.add(leadsNowhere(o, fmt.Sprintf("%s leads to %s, which is neither in the chart nor in namespace %s; %s", field, target, namespace, thereIs(there))))
}

func thereIs(all []string) string {
	if len(all) == 0 {
		return "there is none of its kind"
	}
	return "there is " + listed(all)
}

func leadsNowhere(o object, message string) record.Concern {
	return record.Concern{Code: "preflight/leads-nowhere", Object: o.name(), Message: message,
		Advice: "mend the name in the chart or its values, unless something else makes it meanwhile"}
}

// maxListed bounds what a message names of what is there.
const maxListed = 10

func listed(all []string) string {
	slices.Sort(all)
	if more := len(all) - maxListed; more > 0 {
		all = append(all[:maxListed:maxListed], fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, ", ")
}
