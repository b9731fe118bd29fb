package target

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// gateway has the entry points of the controller for its ports; the certificate is issued
// over plain HTTP, which the chart's route sends to HTTPS.
const gateway = `
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: target-gateway}
spec:
  gatewayClassName: traefik
  listeners:
  - {name: http, port: 8000, protocol: HTTP}
  - {name: https, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: gateway-tls}]}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: gateway-tls, namespace: target-gateway}
spec: {secretName: gateway-tls, dnsNames: [gateway.example.com], issuerRef: {name: letsencrypt-prod, kind: ClusterIssuer}}
`

// ingress-nginx is retired: the chart's routes lead through a Gateway as well.
func TestTheChartsRoutesLeadThroughAGateway(t *testing.T) {
	s := with(t, "ingress", "certificates")
	apply(t, strings.ReplaceAll(page, "NAMESPACE", "target-gateway")+gateway+routes(t))
	kubectl(t, "-n", "target-gateway", "rollout", "status", "deployment/page", "--timeout", "2m")
	client := s.client(t)
	require.Eventually(t, func() bool { status, _ := get(client, "https://gateway.example.com/"); return status == http.StatusOK }, patience, 200*time.Millisecond,
		"the route leads to the Service, with a certificate of its own")
	status, location := get(client, "http://gateway.example.com/some/path?x=1")
	require.Equal(t, http.StatusMovedPermanently, status)
	require.Equal(t, "https://gateway.example.com/some/path?x=1", location)
	for _, condition := range []string{"Accepted", "ResolvedRefs"} {
		for _, route := range []string{"page", "page-redirect"} {
			require.Equal(t, "True", kubectl(t, "-n", "target-gateway", "get", "httproute", route, "-o", `jsonpath={.status.parents[0].conditions[?(@.type=="`+condition+`")].status}`), route)
		}
	}
}

// routes are the chart's own, for the page in place of Backstage.
func routes(t *testing.T) string {
	t.Helper()
	chart, err := loader.Load(filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))
	require.NoError(t, err)
	values, err := chartutil.ReadValues([]byte(`
nameOverride: page
image: {tag: none}
secrets: {postgresPassword: none}
httpRoute:
  enabled: true
  hostnames: [gateway.example.com]
  parentRefs: [{name: public, sectionName: https}]
  redirectParentRefs: [{name: public, sectionName: http}]
`))
	require.NoError(t, err)
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "page", Namespace: "target-gateway", IsInstall: true}, chartutil.DefaultCapabilities)
	require.NoError(t, err)
	files, err := engine.Render(chart, all)
	require.NoError(t, err)
	return "---\n" + files["backstage/templates/httproute.yaml"]
}
