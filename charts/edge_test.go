package charts_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func annotations(t *testing.T, values ...string) map[string]any {
	t.Helper()
	all, ok := at(t, mustRender(t, append([]string{`{ingress: {enabled: true}}`}, values...)...)[ingress].object, "metadata.annotations").(map[string]any)
	require.True(t, ok)
	return all
}

func TestTheAnnotationsOfTheIngress(t *testing.T) {
	const prefix = "nginx.ingress.kubernetes.io/"
	for name, c := range map[string]struct {
		values string
		want   map[string]any // nil for one that must not be there
	}{
		// The redirect loops where TLS ends before the controller: kubernetes/ingress-nginx#2724, bitnami/charts#6411
		"no redirect without TLS": {`{ingress: {tls: {enabled: false}}}`, map[string]any{prefix + "force-ssl-redirect": "false", "cert-manager.io/cluster-issuer": nil}},
		// cert-manager refuses two ways to name an issuer: cert-manager/google-cas-issuer#101, cert-manager/cert-manager#3980
		"an issuer of another kind": {`{ingress: {certManager: {issuer: ca, issuerKind: CASClusterIssuer, issuerGroup: cas.example.com}}}`, map[string]any{
			"cert-manager.io/issuer": "ca", "cert-manager.io/issuer-kind": "CASClusterIssuer", "cert-manager.io/issuer-group": "cas.example.com", "cert-manager.io/cluster-issuer": nil}},
		// Without its namespace the Secret is not found: kubernetes/ingress-nginx#3292, #2042
		"client certificates, from the release's namespace": {`{ingress: {nginx: {clientCertificates: {secretName: ca}}}}`, map[string]any{prefix + "auth-tls-secret": "backstage/ca"}},
		"client certificates, from elsewhere":               {`{ingress: {nginx: {clientCertificates: {secretName: edge/ca, verify: optional}}}}`, map[string]any{prefix + "auth-tls-secret": "edge/ca", prefix + "auth-tls-verify-client": "optional"}},
		"no limits":                                         {`{ingress: {nginx: {limitRequestsPerSecond: 0, limitConnections: 0}}}`, map[string]any{prefix + "limit-rps": nil, prefix + "limit-burst-multiplier": nil, prefix + "limit-connections": nil}},
		"one of the user's wins":                            {`{ingress: {annotations: {nginx.ingress.kubernetes.io/limit-rps: "7"}}}`, map[string]any{prefix + "limit-rps": "7"}},
		"the origin is never anything":                      {`{ingress: {nginx: {cors: {enabled: true}}}, config: {corsOrigin: "https://portal.example.com"}}`, map[string]any{prefix + "cors-allow-origin": "https://portal.example.com"}},
		"a controller of another kind":                      {`{ingress: {className: alb, nginx: {enabled: false}}}`, map[string]any{prefix + "limit-rps": nil, prefix + "proxy-body-size": nil, "cert-manager.io/cluster-issuer": "letsencrypt-prod"}},
	} {
		t.Run(name, func(t *testing.T) {
			all := annotations(t, c.values)
			for key, want := range c.want {
				require.Equal(t, want, all[key], key)
			}
		})
	}
}

func TestTheHostIsWhereBrowsersFindThePage(t *testing.T) {
	for name, c := range map[string]struct{ values, host string }{
		"the backend's":  {`{config: {backendUrl: "https://a.example.com"}}`, "a.example.com"},
		"the frontend's": {`{config: {frontendUrl: "https://b.example.com:8443/portal"}}`, "b.example.com"},
		"one of its own": {`{ingress: {hosts: [c.example.com]}, httpRoute: {hostnames: [c.example.com]}}`, "c.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			documents := mustRender(t, `{ingress: {enabled: true}, httpRoute: {enabled: true, parentRefs: [{name: public}]}}`, c.values)
			require.Equal(t, c.host, at(t, documents[ingress].object, "spec.rules[0].host"))
			require.Equal(t, []any{c.host}, at(t, documents[ingress].object, "spec.tls[0].hosts"))
			require.Equal(t, []any{c.host}, at(t, documents["HTTPRoute/backstage"].object, "spec.hostnames"))
		})
	}
}

// An Ingress or a route whose port is none of the Service's leads nowhere, and the
// pods do not show it: one place says the port (YOURLS/charts#48, helm/charts#12727,
// plexinc/pms-docker#174).
func TestTheWaysInFollowTheService(t *testing.T) {
	documents := mustRender(t, `{service: {port: 8080}, ingress: {enabled: true}, httpRoute: {enabled: true, parentRefs: [{name: public, sectionName: https}], redirectParentRefs: [{name: public, sectionName: http}]}}`)
	require.Equal(t, 8080.0, at(t, documents[ingress].object, "spec.rules[0].http.paths[0].backend.service.port.number"))
	require.Equal(t, []any{map[string]any{"name": "backstage", "port": 8080.0}}, at(t, documents["HTTPRoute/backstage"].object, "spec.rules[0].backendRefs"))
	require.Equal(t, "RequestRedirect", at(t, documents["HTTPRoute/backstage-redirect"].object, "spec.rules[0].filters[0].type"))
	require.Contains(t, documents["Pod/backstage-test"].text, "http://backstage:8080")
}

// A redirect that also took the listener of the page led to itself without end, and a page
// that took every listener won over the redirect: cilium/cilium#28186,
// kubernetes-sigs/gateway-api#1185, vllm-project/production-stack#610.
func TestARedirectHasAListenerOfItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		page, redirect string
		apart          bool
	}{
		"sections of their own":            {`{name: public, sectionName: https}`, `{name: public, sectionName: http}`, true},
		"ports of their own":               {`{name: public, port: 443}`, `{name: public, port: 80}`, true},
		"another Gateway":                  {`{name: public}`, `{name: plain}`, true},
		"one of the name, elsewhere":       {`{name: public, namespace: edge}`, `{name: public}`, true},
		"the redirect on every listener":   {`{name: public, sectionName: https}`, `{name: public}`, false},
		"the page on every listener":       {`{name: public}`, `{name: public, sectionName: http}`, false},
		"the same section":                 {`{name: public, sectionName: https}`, `{name: public, sectionName: https}`, false},
		"the same, the namespace said too": {`{name: public, sectionName: web, namespace: backstage}`, `{name: public, sectionName: web}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render(t, needed, `{httpRoute: {enabled: true, parentRefs: [`+c.page+`], redirectParentRefs: [`+c.redirect+`]}}`)
			if c.apart {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "give each a sectionName of its own")
		})
	}
}

// The affinity of the Service says nothing to a controller that goes to the pods itself:
// with two pods a visitor changed between them, and had to sign in again
// (backstage/backstage#12757, SolaceProducts/solace-broker-mcp#358, FusionAuth/charts#19,
// sentry-kubernetes/charts#916).
func TestABrowserStaysWithOnePodBehindTheIngress(t *testing.T) {
	const prefix = "nginx.ingress.kubernetes.io/"
	all := annotations(t, `{service: {sessionAffinityTimeoutSeconds: 600}}`)
	require.Equal(t, []any{"cookie", "backstage-pod", "600", "true", "Lax"}, []any{all[prefix+"affinity"], all[prefix+"session-cookie-name"],
		all[prefix+"session-cookie-max-age"], all[prefix+"session-cookie-secure"], all[prefix+"session-cookie-samesite"]})
	require.Equal(t, "false", annotations(t, `{ingress: {tls: {enabled: false}}}`)[prefix+"session-cookie-secure"], "without TLS it would not come back")
	for _, values := range []string{`{service: {sessionAffinity: None}}`, `{ingress: {nginx: {enabled: false}}}`} {
		require.NotContains(t, annotations(t, values), prefix+"affinity")
	}
}

// A cluster without the Gateway API refuses the whole release (backstage/charts#329,
// pajikos/home-assistant-helm-chart#178): nothing of it is there unless asked for.
func TestNothingOfTheEdgeIsThereUnasked(t *testing.T) {
	for key := range mustRender(t) {
		for _, kind := range []string{"Ingress", "HTTPRoute", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ResourceQuota", "LimitRange", "Namespace"} {
			require.NotContains(t, key, kind+"/")
		}
	}
}

// A browser sends a hundred requests at once over HTTP/2; where 50 were allowed the
// page lost its files: TechnitiumSoftware/DnsServer#1862.
func TestTheLimitsLetAPageLoad(t *testing.T) {
	all := annotations(t)
	require.Equal(t, "100", all["nginx.ingress.kubernetes.io/limit-connections"])
	require.Equal(t, []any{"50", "5"}, []any{all["nginx.ingress.kubernetes.io/limit-rps"], all["nginx.ingress.kubernetes.io/limit-burst-multiplier"]})
}

// A namespace of the chart's went with the release, and all that others had in it:
// dhyansraj/mcp-mesh#1382, sonatype/nxrm3-ha-repository#130.
func TestTheNamespaceOutlivesTheRelease(t *testing.T) {
	object := mustRender(t, `{namespace: {create: true}}`)["Namespace/backstage"].object
	require.Equal(t, "keep", at(t, object, "metadata.annotations.helm~sh/resource-policy"))
}

// A Deployment with replicas beside an autoscaler goes back to them at each deploy:
// pingidentity/helm-charts#276, gruntwork-io/helm-kubernetes-services#180,
// bitnami/charts#4524, coredns/helm#64.
func TestAnAutoscalerAloneSaysHowManyPodsThereAre(t *testing.T) {
	documents := mustRender(t, `{replicaCount: 7, autoscaling: {enabled: true}}`)
	require.Nil(t, at(t, documents[deployment].object, "spec.replicas"))
	require.Equal(t, map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "backstage"}, at(t, documents["HorizontalPodAutoscaler/backstage"].object, "spec.scaleTargetRef"))
}

// A budget that lets no pod go keeps nodes from being drained: helm/charts#7127,
// jupyterhub/zero-to-jupyterhub-k8s#1934, kubestellar/console#6994, Vexa-ai/vexa#1100.
func TestADisruptionBudgetAlwaysLetsAPodGo(t *testing.T) {
	for name, c := range map[string]struct {
		values string
		there  bool
	}{
		"one pod":       {`{replicaCount: 1}`, false},
		"two":           {`{replicaCount: 2}`, true},
		"an autoscaler": {`{autoscaling: {enabled: true}}`, true},
		"not wanted":    {`{replicaCount: 2, podDisruptionBudget: {enabled: false}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			documents := mustRender(t, c.values)
			budget, there := documents["PodDisruptionBudget/backstage"]
			require.Equal(t, c.there, there)
			if there {
				spec, ok := at(t, budget.object, "spec").(map[string]any)
				require.True(t, ok)
				require.NotContains(t, spec, "minAvailable")
				require.Equal(t, 1.0, spec["maxUnavailable"])
				// A pod that is broken anyway is no reason to wait.
				require.Equal(t, "AlwaysAllow", spec["unhealthyPodEvictionPolicy"])
				require.Equal(t, at(t, documents[deployment].object, "spec.selector"), spec["selector"])
			}
		})
	}
}

// Pods of the old version decided where the new ones go: kubernetes/kubernetes#98215
func TestEachVersionIsSpreadByItself(t *testing.T) {
	object := mustRender(t, `{topologySpreadConstraints: [{maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]}`)[deployment].object
	require.Equal(t, []any{map[string]any{"maxSkew": 2.0, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule",
		"matchLabelKeys": []any{"pod-template-hash"}, "labelSelector": map[string]any{"matchLabels": map[string]any{"app": "backstage"}}}},
		at(t, object, pod+"topologySpreadConstraints"))
}

// A test pod that a namespace of the level restricted refuses tests nothing:
// smallstep/helm-charts#185, openbao/openbao-helm#154, 1Password/connect-helm-charts#192.
func TestHelmTestRunsWhereOnlyRestrictedPodsMay(t *testing.T) {
	spec := as[corev1.Pod](t, mustRender(t)["Pod/backstage-test"].object).Spec
	require.True(t, *spec.SecurityContext.RunAsNonRoot)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type)
	require.False(t, *spec.Containers[0].SecurityContext.AllowPrivilegeEscalation)
	require.Equal(t, []corev1.Capability{"ALL"}, spec.Containers[0].SecurityContext.Capabilities.Drop)
	require.False(t, *spec.AutomountServiceAccountToken)
	require.Equal(t, "r.example.com/busybox@"+digest, as[corev1.Pod](t, mustRender(t, `{tests: {image: r.example.com/busybox@`+digest+`}}`)["Pod/backstage-test"].object).Spec.Containers[0].Image)
}
