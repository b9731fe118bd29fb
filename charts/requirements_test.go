package charts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	deployment = "Deployment/backstage"
	service    = "Service/backstage"
	database   = "StatefulSet/psql-postgresql"
	pod        = "spec.template.spec."
	container  = pod + "containers[backstage]."
	wait       = pod + "initContainers[wait-for-postgres]."
	postgres   = pod + "containers[postgresql]."
)

// requirements are the numbered values of the target system: the seed's, or the
// safe one where a value of the seed is a trap. Numbers 1 (namespace), 53 to 63
// (Ingress), 74 to 76 (NetworkPolicy) and 78 (quota) are not the chart's yet.
var requirements = []struct {
	number       string
	object, path string
	want         any
}{
	{"2 Service name and type", service, "spec.type", "ClusterIP"},
	{"3 Service port", service, "spec.ports[0].port", 80.0},
	{"3 port name", service, "spec.ports[0].name", "http"},
	{"3 target port, by the name of 7007", service, "spec.ports[0].targetPort", "http"},
	{"3 protocol", service, "spec.ports[0].protocol", "TCP"},
	{"4 Service selector", service, "spec.selector", map[string]any{"app": "backstage"}},
	{"5 session affinity", service, "spec.sessionAffinity", "ClientIP"},
	{"6 affinity timeout", service, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10800.0},
	{"7 Deployment name", deployment, "metadata.name", "backstage"},
	{"8 replicas", deployment, "spec.replicas", 1.0},
	{"9 strategy", deployment, "spec.strategy.type", "RollingUpdate"},
	{"10 maxUnavailable, safe instead of 1", deployment, "spec.strategy.rollingUpdate.maxUnavailable", 0.0},
	{"11 maxSurge", deployment, "spec.strategy.rollingUpdate.maxSurge", 1.0},
	{"12 and 13 pod labels", deployment, "spec.template.metadata.labels", map[string]any{"app": "backstage", "component": "backend"}},
	{"14 selector", deployment, "spec.selector", map[string]any{"matchLabels": map[string]any{"app": "backstage"}}},
	{"15 scrape annotation", deployment, "spec.template.metadata.annotations.prometheus~io/scrape", "true"},
	{"16 port annotation", deployment, "spec.template.metadata.annotations.prometheus~io/port", "7007"},
	{"17 path annotation", deployment, "spec.template.metadata.annotations.prometheus~io/path", "/metrics"},
	{"18 init container", deployment, wait + "name", "wait-for-postgres"},
	{"19 init image", deployment, wait + "image", "busybox:1.36"},
	{"21 init host", deployment, wait + "env[POSTGRES_HOST].valueFrom.configMapKeyRef", map[string]any{"name": "backstage-env-config", "key": "POSTGRES_HOST"}},
	{"21 init timeout", deployment, wait + "env[TIMEOUT].value", "120"},
	{"22 init requests", deployment, wait + "resources.requests", map[string]any{"cpu": "50m", "memory": "64Mi"}},
	{"23 init limits", deployment, wait + "resources.limits", map[string]any{"cpu": "100m", "memory": "128Mi"}},
	{"24 container name", deployment, container + "name", "backstage"},
	{"25 image", deployment, container + "image", "jaimehenao8126/backstage-production@" + digest},
	{"26 pull policy with a digest", deployment, container + "imagePullPolicy", "IfNotPresent"},
	{"27 container port", deployment, container + "ports", []any{map[string]any{"name": "http", "containerPort": 7007.0, "protocol": "TCP"}}},
	{"28 NODE_ENV", deployment, container + "env[NODE_ENV].value", "production"},
	{"29 NODE_OPTIONS, with the flag of the image", deployment, container + "env[NODE_OPTIONS].value", "--no-node-snapshot --max-old-space-size=1024"},
	{"30 environment", deployment, container + "envFrom", []any{
		map[string]any{"configMapRef": map[string]any{"name": "backstage-env-config"}},
		map[string]any{"secretRef": map[string]any{"name": "backstage-secrets"}},
	}},
	{"31 requests", deployment, container + "resources.requests", map[string]any{"cpu": "250m", "memory": "512Mi"}},
	{"32 limits", deployment, container + "resources.limits", map[string]any{"cpu": "1000m", "memory": "2Gi"}},
	{"33 volume tmp", deployment, pod + "volumes[tmp].emptyDir", map[string]any{"sizeLimit": "1Gi"}},
	{"33 mount tmp", deployment, container + "volumeMounts[tmp].mountPath", "/tmp"},
	{"34 volume app-tmp", deployment, pod + "volumes[app-tmp].emptyDir", map[string]any{"sizeLimit": "1Gi"}},
	{"34 mount app-tmp", deployment, container + "volumeMounts[app-tmp].mountPath", "/app/tmp"},
	{"35 and 36 startup probe, same budget of 150 s", deployment, container + "startupProbe", probe("readiness", 5, 5, 5, 29)},
	{"37 liveness probe", deployment, container + "livenessProbe", probe("liveness", 90, 30, 10, 3)},
	{"38 readiness probe without delay", deployment, container + "readinessProbe", probe("readiness", 0, 10, 5, 3)},
	{"39, 40, 44, 45 pod security", deployment, pod + "securityContext", map[string]any{
		"runAsNonRoot": true, "runAsUser": 1000.0, "fsGroup": 1000.0, "seccompProfile": map[string]any{"type": "RuntimeDefault"},
	}},
	{"41, 42, 43 container security", deployment, container + "securityContext", security},
	{"41, 42, 43 init container security", deployment, wait + "securityContext", security},
	{"46 anti-affinity", deployment, pod + "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution", []any{map[string]any{
		"weight": 100.0,
		"podAffinityTerm": map[string]any{
			"topologyKey": "kubernetes.io/hostname",
			"labelSelector": map[string]any{"matchExpressions": []any{
				map[string]any{"key": "app", "operator": "In", "values": []any{"backstage"}},
			}},
		},
	}}},
	{"47 twelve entries", "ConfigMap/backstage-env-config", "data", map[string]any{
		"NODE_ENV": "production", "NODE_OPTIONS": "--no-node-snapshot --max-old-space-size=1024", "LOG_LEVEL": "info", "TZ": "UTC",
		"POSTGRES_HOST": "psql-postgresql.backstage.svc.cluster.local", "POSTGRES_PORT": "5432", "POSTGRES_DB": "backstage_plugin_catalog",
		"BACKEND_URL": "https://backstage.arhean.com", "FRONTEND_URL": "https://backstage.arhean.com",
		"APP_BASE_URL": "https://backstage.arhean.com", "BACKEND_BASE_URL": "https://backstage.arhean.com", "CORS_ORIGIN": "https://backstage.arhean.com",
	}},
	{"48 Secret", "Secret/backstage-secrets", "type", "Opaque"},
	{"49 ServiceAccount", deployment, pod + "serviceAccountName", "backstage"},
	{"50 ClusterRole", "ClusterRoleBinding/backstage-backend", "roleRef.name", "backstage-backend"},
	{"51 ClusterRoleBinding", "ClusterRoleBinding/backstage-backend", "subjects", []any{
		map[string]any{"kind": "ServiceAccount", "name": "backstage", "namespace": "backstage"},
	}},
	{"64 StatefulSet replicas", database, "spec.replicas", 1.0},
	{"64 StatefulSet order", database, "spec.podManagementPolicy", "OrderedReady"},
	{"65 PostgreSQL version", database, postgres + "image", "postgres:14"},
	{"65 PostgreSQL port", database, postgres + "ports[0].containerPort", 5432.0},
	{"66 database", database, postgres + "env[POSTGRES_DB].value", "backstage_plugin_catalog"},
	{"67 and 68 volume claim", database, "spec.volumeClaimTemplates", []any{map[string]any{
		"metadata": map[string]any{"name": "data"},
		"spec": map[string]any{
			"accessModes": []any{"ReadWriteOnce"}, "storageClassName": "standard",
			"resources": map[string]any{"requests": map[string]any{"storage": "8Gi"}},
		},
	}}},
	{"69 mount", database, postgres + "volumeMounts[data].mountPath", "/var/lib/postgresql/data"},
	{"70 and 71 settings", database, postgres + "args", []any{"-c", "max_connections=100", "-c", "shared_buffers=256MB"}},
	{"72 PostgreSQL requests", database, postgres + "resources.requests", map[string]any{"cpu": "100m", "memory": "256Mi"}},
	{"72 PostgreSQL limits", database, postgres + "resources.limits", map[string]any{"cpu": "500m", "memory": "1Gi"}},
	{"73 PostgreSQL Service", "Service/psql-postgresql", "spec.ports[0].port", 5432.0},
	{"73 headless Service", "Service/psql-postgresql-hl", "spec.clusterIP", "None"},
	{"73 headless Service port", "Service/psql-postgresql-hl", "spec.ports[0].port", 5432.0},
	{"73 governing Service", database, "spec.serviceName", "psql-postgresql-hl"},
	{"77 token", deployment, pod + "automountServiceAccountToken", true},
}

var security = map[string]any{
	"allowPrivilegeEscalation": false, "capabilities": map[string]any{"drop": []any{"ALL"}}, "readOnlyRootFilesystem": false,
}

func probe(path string, delay, period, timeout, failures float64) map[string]any {
	return map[string]any{
		"httpGet":             map[string]any{"path": "/.backstage/health/v1/" + path, "port": "http"},
		"initialDelaySeconds": delay, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures,
	}
}

func TestTheDefaultsAreThoseOfTheTargetSystem(t *testing.T) {
	documents := mustRender(t)
	for _, r := range requirements {
		t.Run(r.number, func(t *testing.T) {
			require.Contains(t, documents, r.object)
			require.Equal(t, r.want, at(t, documents[r.object].object, r.path))
		})
	}
}

func TestTheSeedsOwnValuesCanBeHad(t *testing.T) {
	documents := mustRender(t, `
image: {digest: "", tag: v7, pullPolicy: Always}
nodeOptions: [--max-old-space-size=1024]
strategy: {maxUnavailable: 1}
probes:
  startup: {path: /healthcheck, initialDelaySeconds: 30, periodSeconds: 10, failureThreshold: 12}
  readiness: {path: /healthcheck, initialDelaySeconds: 60}
  liveness: {path: /healthcheck}
rbac: {mode: seed}
`)
	object := documents[deployment].object
	for path, want := range map[string]any{
		container + "image":                              "jaimehenao8126/backstage-production:v7",
		container + "env[NODE_OPTIONS].value":            "--max-old-space-size=1024",
		container + "startupProbe.httpGet.path":          "/healthcheck",
		container + "startupProbe.failureThreshold":      12.0,
		container + "readinessProbe.initialDelaySeconds": 60.0,
		container + "livenessProbe.periodSeconds":        30.0,
		"spec.strategy.rollingUpdate.maxUnavailable":     1.0,
	} {
		require.Equal(t, want, at(t, object, path), path)
	}
}

func TestSelectorsChooseTheirOwnPodsOnly(t *testing.T) {
	documents := mustRender(t)
	for key, target := range map[string]string{service: deployment, "Service/psql-postgresql": database, "Service/psql-postgresql-hl": database} {
		selector := at(t, documents[key].object, "spec.selector")
		require.Equal(t, selector, at(t, documents[target].object, "spec.selector.matchLabels"), key)
		labels, ok := at(t, documents[target].object, "spec.template.metadata.labels").(map[string]any)
		require.True(t, ok)
		for name, value := range selector.(map[string]any) {
			require.Equal(t, value, labels[name], key)
		}
	}
}

func TestAnotherNameRenamesEverything(t *testing.T) {
	documents := mustRender(t, `{nameOverride: portal2, postgresql: {name: portal2-db}}`)
	for key, document := range documents {
		require.Contains(t, key, "portal2")
		require.NotContains(t, document.text, "name: backstage\n"+strings.Repeat(" ", 2)+"namespace", key)
	}
	require.Equal(t, "portal2-db.backstage.svc.cluster.local", at(t, documents["ConfigMap/portal2-env-config"].object, "data.POSTGRES_HOST"))
	require.Equal(t, "portal2-secrets", at(t, documents["Deployment/portal2"].object, container+"envFrom[1].secretRef.name"))
}

func TestTheBudgetsFitIntoEachOther(t *testing.T) {
	object := mustRender(t)[deployment].object
	number := func(path string) float64 {
		value, ok := at(t, object, path).(float64)
		require.True(t, ok, path)
		return value
	}
	start := number(container+"startupProbe.initialDelaySeconds") + number(container+"startupProbe.periodSeconds")*number(container+"startupProbe.failureThreshold")
	var waited float64
	_, err := fmt.Sscan(fmt.Sprint(at(t, object, wait+"env[TIMEOUT].value")), &waited)
	require.NoError(t, err)
	require.Equal(t, 150.0, start)
	require.Greater(t, number("spec.progressDeadlineSeconds"), start+waited)
	require.Greater(t, number(pod+"terminationGracePeriodSeconds"), number(container+"lifecycle.preStop.sleep.seconds")+30)
}
