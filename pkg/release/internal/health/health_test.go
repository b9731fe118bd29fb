package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/release/internal/livetest"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const web = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: portal}, spec: {template: {metadata: {labels: {app: web, tier: front}}}}}"

func TestDoubts(t *testing.T) {
	budget := func(selector string) string {
		return "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: portal}, spec: {selector: " + selector + "}}"
	}
	ingress := func(created, status string) string {
		return "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: portal, uid: u, creationTimestamp: '2026-01-01T" + created + "Z'}, spec: {ingressClassName: nginx}, status: " + status + "}"
	}
	custom := func(conditions string) string {
		return "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: web, namespace: portal, generation: 2}, status: {observedGeneration: 2, conditions: [" + conditions + "]}}"
	}
	other := func(class string, addresses ...networkingv1.IngressLoadBalancerIngress) *networkingv1.Ingress {
		return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "shop"}, Spec: networkingv1.IngressSpec{IngressClassName: &class},
			Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: addresses}}}
	}
	database := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "portal", Labels: map[string]string{"app": "db"}}}
	elsewhere := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "queue", Namespace: "shop", Labels: map[string]string{"app": "queue"}}}
	address := networkingv1.IngressLoadBalancerIngress{IP: "192.0.2.1"}
	complaint := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "portal"}, Type: corev1.EventTypeWarning, Reason: "FailedBuildModel",
		Message: "Failed build model due to couldn't find all securityGroups", InvolvedObject: corev1.ObjectReference{Kind: "Ingress", Name: "web", UID: "u"}}
	policy := func(selector string) string {
		return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: portal}, spec: {podSelector: " + selector + "}}"
	}
	monitor := func(selector, more string) string {
		return "{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor, metadata: {name: web, namespace: portal}, spec: {selector: " + selector + ", endpoints: [{port: metrics}]" + more + "}}"
	}
	service := func(namespace, port string) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace, Labels: map[string]string{"app": "web"}}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: port}}}}
	}
	route := func(parents string) string {
		return "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web, namespace: portal, creationTimestamp: '2026-01-01T11:00:00Z'}, spec: {parentRefs: [{name: public}]}, status: {parents: " + parents + "}}"
	}
	for name, c := range map[string]struct {
		live    string
		objects []runtime.Object
		want    string
	}{
		// bitnami/charts#34544, bank-vaults/vault-operator#1064, 1Password/connect-helm-charts#240, argoproj/argo-cd#24563
		"a budget by labels that no pod has": {budget("{matchLabels: {app: web, part-of: portal}}"), nil,
			"PodDisruptionBudget/web protects nothing: no pod has the labels app=web,part-of=portal that it selects"},
		"a budget of pods of the chart":           {budget("{matchLabels: {app: web}}"), nil, ""},
		"a budget of pods that an operator makes": {budget("{matchExpressions: [{key: app, operator: In, values: [db]}]}"), []runtime.Object{database}, ""},
		"a budget of another namespace's pods":    {budget("{matchLabels: {app: queue}}"), []runtime.Object{elsewhere}, "PodDisruptionBudget/web protects nothing: no pod has the labels app=queue that it selects"},

		// opensearch-project/helm-charts#287, Checkmarx/kics#8107
		"a policy for no pod":                   {policy("{matchLabels: {app: api, tier: front}}"), nil, "NetworkPolicy/web protects nothing: no pod has the labels app=api,tier=front that it selects"},
		"a policy for pods of the chart":        {policy("{matchLabels: {app: web}}"), nil, ""},
		"a policy for pods that somebody makes": {policy("{matchLabels: {app: db}}"), []runtime.Object{database}, ""},
		"a policy for all pods":                 {policy("{}"), nil, ""},

		// kubernetes-sigs/aws-load-balancer-controller#4437, #2476
		"an Ingress that its controller complains of": {ingress("11:59:50", "{}"), []runtime.Object{complaint},
			"Ingress/web has no address: FailedBuildModel: Failed build model due to couldn't find all securityGroups"},
		"one whose class gives others an address": {ingress("11:00:00", "{}"), []runtime.Object{other("nginx", address)},
			"Ingress/web is there since 1h and has no address, and Ingress/shop of the same class in namespace shop has one: its controller does not take it"},
		"one of another class":             {ingress("11:00:00", "{}"), []runtime.Object{other("internal", address)}, ""},
		"one that is new":                  {ingress("11:59:00", "{}"), []runtime.Object{other("nginx", address)}, ""},
		"one of a class without addresses": {ingress("11:00:00", "{}"), []runtime.Object{other("nginx")}, ""}, // helm/helm#5256
		"one with an address":              {ingress("11:00:00", "{loadBalancer: {ingress: [{hostname: a.test}]}}"), []runtime.Object{complaint}, ""},

		// openchoreo/openchoreo#4336, external-secrets/external-secrets#2419
		"a custom resource that is not ready": {custom("{type: Ready, status: 'False', lastTransitionTime: '2026-01-01T11:58:30Z', reason: DoesNotExist, message: Issuing certificate as Secret does not exist}"), nil,
			"Certificate.cert-manager.io/web: it is not ready since 1m30s (Ready=False: DoesNotExist: Issuing certificate as Secret does not exist)"},
		"one whose controller has given up": {custom("{type: Ready, status: 'False'}, {type: Stalled, status: 'True', reason: RetriesExceeded}"), nil,
			"Certificate.cert-manager.io/web: its controller has given up (Stalled=True: RetriesExceeded)"},
		"one that is ready":            {custom("{type: Ready, status: 'True'}, {type: Stalled, status: 'False'}"), nil, ""},
		"one of which nobody can tell": {custom("{type: Ready, status: Unknown}, {type: Synced, status: 'False'}"), nil, ""},
		"one that said so before":      {custom("{type: Ready, status: 'False', observedGeneration: 1}"), nil, ""},
		"one without conditions":       {custom(""), nil, ""},

		// arangodb/kube-arangodb#1672, bokysan/docker-postfix#162, kubeshop/botkube#431
		"a monitor of no Service": {monitor("{matchLabels: {app: web, metrics: 'true'}}", ""), []runtime.Object{service("portal", "metrics")},
			"ServiceMonitor/web reads nothing: no Service has the labels app=web,metrics=true that it selects"},
		"a monitor of another port": {monitor("{matchLabels: {app: web}}", ""), []runtime.Object{service("portal", "http")},
			`ServiceMonitor/web reads nothing at port "metrics": Service/web, which it selects, has no port of that name`},
		"a monitor of a Service":                   {monitor("{matchLabels: {app: web}}", ""), []runtime.Object{service("portal", "metrics")}, ""},
		"a monitor of another namespace's Service": {monitor("{matchLabels: {app: web}}", ", namespaceSelector: {matchNames: [shop]}"), []runtime.Object{service("shop", "metrics")}, ""},
		"a monitor of all Services":                {monitor("{}", ""), nil, ""},

		// nginx/nginx-gateway-fabric#481, kumahq/kuma#17988
		"a route that its Gateway does not take": {route("[{parentRef: {name: public}, conditions: [{type: Accepted, status: 'False', reason: NoMatchingParent, message: no listener by that name}]}]"), nil,
			"HTTPRoute/web: Gateway public does not lead to it as it says (Accepted=False: NoMatchingParent: no listener by that name)"},
		"a route whose Service is not there": {route("[{parentRef: {name: public}, conditions: [{type: Accepted, status: 'True'}, {type: ResolvedRefs, status: 'False', reason: BackendNotFound}]}]"), nil,
			"HTTPRoute/web: Gateway public does not lead to it as it says (ResolvedRefs=False: BackendNotFound)"},
		"a route that is taken": {route("[{parentRef: {name: public}, conditions: [{type: Accepted, status: 'True'}]}]"), nil, ""},
		// higress-group/higress#2282
		"a route of a Gateway that is not there": {route("[]"), nil, "HTTPRoute/web is there since 1h, and no Gateway has said that it takes it"},

		"what the rollout judges": {"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: portal}, status: {conditions: [{type: Ready, status: 'False'}]}}", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var server livetest.Server
			object := livetest.Written(t, c.live)
			server.Put(object)
			wanted := object.DeepCopy()
			delete(wanted.Object, "status")
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			require.Equal(t, want, Doubts(t.Context(), fake.NewClientset(c.objects...), server.Infos(wanted, livetest.Written(t, web)), noon))
		})
	}
	var empty livetest.Server
	require.Empty(t, Doubts(t.Context(), fake.NewClientset(), empty.Infos(livetest.Written(t, custom(""))), noon), "it is gone: the comparison says so")
}
