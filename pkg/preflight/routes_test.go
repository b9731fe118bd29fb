package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const webService = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: metrics, port: 9090}]}\n"

// ingressTo is an Ingress with one backend.
func ingressTo(service, port string) string {
	return "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n" +
		"spec: {rules: [{host: a.test}, {host: b.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: " + service + ", port: {" + port + "}}}}]}}]}\n"
}

func TestCheck_WhatLeadsNowhereIsToldBeforeTheChange(t *testing.T) {
	route := func(ref string) string {
		return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: web}\nspec: {rules: [{backendRefs: [{" + ref + "}]}]}\n"
	}
	scaler := func(target string) string {
		return "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, " + target + "}}\n"
	}
	const field = "spec.rules[1].http.paths[0].backend"
	for name, c := range map[string]struct{ manifest, words string }{
		"an Ingress to a port by name":   {webService + ingressTo("web", "name: http"), ""},
		"an Ingress to a port by number": {webService + ingressTo("web", "number: 9090"), ""},
		"an Ingress to a live Service":   {ingressTo("api", "name: rest"), ""},
		// https://github.com/kubitodev/helm/issues/49, https://github.com/bitnami/charts/issues/6166
		"an Ingress to no Service": {webService + ingressTo("web-web", "number: 80"),
			"Ingress/web: " + field + " leads to Service/web-web, which is neither in the chart nor in namespace prod; there is Service/api (rest 8080), Service/web (http 80, metrics 9090)"},
		// https://github.com/helm/charts/pull/20245, https://github.com/CloudPirates-io/helm-charts/issues/4
		"an Ingress to no port": {webService + ingressTo("web", "name: management"),
			"Ingress/web: " + field + " leads to port management of Service/web, which has no such port; it has http 80, metrics 9090"},
		// https://github.com/influxdata/helm-charts/pull/391
		"an Ingress to the container's port": {ingressTo("api", "number: 8086"), "port 8086 of Service/api"},
		// https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1626
		"an Ingress whose annotation redirects": {ingressTo("ssl-redirect", "name: use-annotation"), ""},
		"an Ingress without a rule for a path":  {"---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {defaultBackend: {service: {name: wep, port: {number: 80}}}}\n", "spec.defaultBackend leads to Service/wep"},
		"an Ingress to a bucket":                {"---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {defaultBackend: {resource: {apiGroup: a.test, kind: Bucket, name: b}}}\n", ""},
		"a route to a port":                     {webService + route("name: web, port: 80"), ""},
		"a route to no Service":                 {webService + route("name: wep, port: 80"), "HTTPRoute/web: spec.rules[0].backendRefs[0] leads to Service/wep"},
		"a route to no port":                    {webService + route("name: web, port: 8080"), "port 8080 of Service/web, which has no such port"},
		"a route to another kind":               {route("group: a.test, kind: Backend, name: b"), ""},
		"a route to another namespace":          {route("name: far, namespace: other, port: 80"), ""},
		"an autoscaler of the chart's own":      {scaler("kind: Deployment, name: web"), ""},
		"an autoscaler of a live one":           {scaler("kind: StatefulSet, name: db"), ""},
		// https://github.com/mastodon/mastodon/issues/20691, https://github.com/kestra-io/kestra/issues/18101
		"an autoscaler of nothing": {scaler("kind: Deployment, name: web-web"),
			"HorizontalPodAutoscaler/web: spec.scaleTargetRef leads to Deployment/web-web, which is neither in the chart nor in namespace prod; there is Deployment/web"},
		// https://github.com/bitnami/charts/issues/19761
		"an autoscaler of the wrong kind":       {scaler("kind: StatefulSet, name: web"), "there is Deployment/web, StatefulSet/db"},
		"an autoscaler of a kind not known":     {scaler("kind: Rollout, name: web"), ""},
		"a ScaledObject with the default kind":  {"---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: web}\nspec: {scaleTargetRef: {name: web}}\n", ""},
		"a ScaledObject that names nothing":     {"---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: web}\nspec: {scaleTargetRef: {name: wep}}\n", "Deployment/wep"},
		"a scaleTargetRef that is no reference": {"---\napiVersion: a.test/v1\nkind: X\nmetadata: {name: x}\nspec: {scaleTargetRef: wep}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := cluster(nil,
				&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "api", Namespace: "prod"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "rest", Port: 8080}}}},
				&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "far", Namespace: "other"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName}},
				&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "prod"}})
			found := leading(checked(t, client, deployment+c.manifest))
			if c.words == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0].String(), c.words)
			require.False(t, found[0].Blocks, "a controller may make it yet")
		})
	}
}

// A class that is not there: the controller writes it into its own log, and visitors get
// 404 or a certificate of nobody's. kubernetes-sigs/kubespray#10401, rancher/rancher#35053, giantswarm/helloworld#31
func TestCheck_AnIngressOfAClassThatIsNotThereIsTold(t *testing.T) {
	of := func(class string) string {
		return webService + strings.Replace(ingressTo("web", "name: http"), "spec: {", "spec: {ingressClassName: "+class+", ", 1)
	}
	nginx := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}}
	for name, c := range map[string]struct {
		manifest string
		classes  []runtime.Object
		words    string
	}{
		"one that is there": {of("nginx"), []runtime.Object{nginx}, ""},
		"one of the chart":  {of("own") + "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: own}\nspec: {controller: a.test/own}\n", nil, ""},
		"another":           {of("ngnix"), []runtime.Object{nginx}, "Ingress/web: spec.ingressClassName is ngnix, which is neither in the chart nor in the cluster, so that no controller takes it; there is IngressClass/nginx"},
		"none at all":       {of("nginx"), nil, "there is none of its kind"},
	} {
		t.Run(name, func(t *testing.T) {
			found := leading(checked(t, cluster(nil, c.classes...), deployment+c.manifest))
			if c.words == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0].String(), c.words)
			require.False(t, found[0].Blocks)
		})
	}
	t.Run("classes that may not be read", func(t *testing.T) {
		client := cluster(nil)
		client.PrependReactor("list", "ingressclasses", func(k8stesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(networkingv1.Resource("ingressclasses"), "", nil)
		})
		require.Empty(t, leading(checked(t, client, deployment+of("nginx"))))
	})
}

// leading are the concerns about what leads nowhere.
func leading(all []record.Concern) (found []record.Concern) {
	for _, c := range all {
		if c.Code == "preflight/leads-nowhere" {
			found = append(found, c)
		}
	}
	return found
}

func TestCheck_AServiceThatThisDeployDeletesIsNowhere(t *testing.T) {
	client := cluster(nil, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "api", Namespace: "prod"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	plan := record.Plan{Manifest: deployment + ingressTo("api", "number: 80"), Deletions: []record.Deletion{{Kind: "Service", Namespace: "prod", Name: "api"}}}
	_, text := foundBy(t, plan, func(o *Options) { o.Client = client })
	require.Contains(t, text, "leads to Service/api, which is neither")
}

func TestCheck_WhoMayNotReadServicesIsToldNothingOfThem(t *testing.T) {
	client := cluster(nil)
	client.PrependReactor("*", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		resource := a.GetResource().Resource
		denied := resource == "services" || resource == "deployments"
		return denied, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
	})
	scaler := "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment, name: wep}}\n"
	require.Empty(t, leading(checked(t, client, deployment+ingressTo("wep", "number: 80")+scaler)))
}

func TestCheck_ASmokeServiceThatIsNotThereIsRefusedBeforeTheChange(t *testing.T) {
	bare := "---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {type: ExternalName, externalName: db.test, ports: [{port: 5432}]}\n"
	annotated := func(value string) string {
		return strings.Replace(webService, "{name: web}", "{name: web, annotations: {stagecrew.dev/smoke: '"+value+"'}}", 1)
	}
	for name, c := range map[string]struct{ manifest, wanted, words string }{
		"by name":                                {webService, "web", ""},
		"by port number":                         {webService, "web:80", ""},
		"by port name":                           {webService, "web:http", ""},
		"a typo":                                 {webService, "wep", "Service/wep: --smoke-service wep: there is no such Service in the release; there is Service/web (http 80, metrics 9090)"},
		"another port":                           {webService, "web:8080", "Service/web: --smoke-service web:8080: it has no port 8080; it has http 80, metrics 9090"},
		"not of the release, but in the cluster": {webService, "api", "no such Service in the release, only in the cluster; there is Service/web"},
		"a chart without Services":               {"", "web", "there is none at all"},
		"one that selects nothing":               {bare, "db", "it selects no pods"},
		"an annotation":                          {annotated("http"), "web", ""},
		"an annotation with a typo":              {annotated("htpp"), "web", "its annotation stagecrew.dev/smoke: htpp: it has no port htpp; it has http 80, metrics 9090"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := record.Plan{Manifest: deployment + c.manifest, Image: record.Image{Repository: "registry.test/web", Digest: "sha256:" + strings.Repeat("a", 64)}}
			options := func(o *Options) {
				o.Client = cluster(nil, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "api", Namespace: "prod"}})
				o.Forwarding, o.SmokeServices = true, []string{c.wanted}
			}
			codes, text := foundBy(t, plan, options)
			if c.words == "" {
				require.Empty(t, codes, text)
				return
			}
			require.Equal(t, []string{"smoke-service blocks"}, codes)
			require.Contains(t, text, c.words)

			plan.Image = record.Image{}
			codes, _ = foundBy(t, plan, options)
			require.Equal(t, []string{"smoke-service"}, codes, "a rollback goes to what there was")
			codes, _ = foundBy(t, plan, func(o *Options) { o.SmokeServices = []string{c.wanted} })
			require.Empty(t, codes, "--smoke none asks nothing")
		})
	}
}
