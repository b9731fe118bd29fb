package charts_test

const (
	deployment     = "Deployment/backstage"
	service        = "Service/backstage"
	database       = "StatefulSet/psql-postgresql"
	ingress        = "Ingress/backstage"
	config         = "ConfigMap/backstage-env-config"
	policies       = "NetworkPolicy/backstage"
	databasePolicy = "NetworkPolicy/psql-postgresql"
	pod            = "spec.template.spec."
	container      = pod + "containers[backstage]."
	wait           = pod + "initContainers[wait-for-postgres]."
	postgres       = pod + "containers[postgresql]."
	scrape         = "spec.template.metadata.annotations.prometheus~io/"
	nginx          = "metadata.annotations.nginx~ingress~kubernetes~io/"
)

type (
	fields = map[string]any
	list   = []any
)

const (
	publish = "ingress: {enabled: true}"
	without = "without a controller an Ingress leads nowhere"
)

// requirements are the rows of the target system: the architecture document's values
// and those of the same owner's manifests.
var requirements = []requirement{
	{number: 1, words: "namespace backstage with its labels",
		held:    []value{{deployment, "metadata.namespace", "backstage"}},
		instead: "Helm needs the namespace before it can install", switches: "namespace: {create: true}",
		drawn: []value{{"Namespace/backstage", "metadata.labels", fields{"name": "backstage", "environment": "production", "project": "backstage"}}}},
	{number: 2, words: "Service name and type", held: []value{{service, "spec.type", "ClusterIP"}}},
	{number: 3, words: "Service port 80 to 7007, TCP, named http", held: []value{
		{service, "spec.ports", list{fields{"name": "http", "port": 80.0, "targetPort": "http", "protocol": "TCP"}}},
		{deployment, container + "ports[http].containerPort", 7007.0}}},
	{number: 4, words: "Service selector", held: []value{{service, "spec.selector", fields{"app": "backstage"}}}},
	{number: 5, words: "session affinity", held: []value{{service, "spec.sessionAffinity", "ClientIP"}}},
	{number: 6, words: "affinity timeout of 3 h", held: []value{{service, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10800.0}}},
	{number: 7, words: "Deployment name", held: []value{{deployment, "metadata.name", "backstage"}}},
	{number: 8, words: "replicas", held: []value{{deployment, "spec.replicas", 1.0}}},
	{number: 9, words: "strategy", held: []value{{deployment, "spec.strategy.type", "RollingUpdate"}}},
	{number: 10, words: "maxUnavailable 1",
		held:    []value{{deployment, "spec.strategy.rollingUpdate.maxUnavailable", 0.0}},
		instead: "with one replica it takes away the only pod", switches: "strategy: {maxUnavailable: 1}",
		drawn: []value{{deployment, "spec.strategy.rollingUpdate.maxUnavailable", 1.0}}},
	{number: 11, words: "maxSurge", held: []value{{deployment, "spec.strategy.rollingUpdate.maxSurge", 1.0}}},
	{number: 12, words: "pod label app", held: []value{{deployment, "spec.template.metadata.labels.app", "backstage"}}},
	{number: 13, words: "pod label component", held: []value{{deployment, "spec.template.metadata.labels.component", "backend"}}},
	{number: 14, words: "selector of app alone", held: []value{{deployment, "spec.selector", fields{"matchLabels": fields{"app": "backstage"}}}}},
	{number: 15, words: "scrape annotation", held: []value{{deployment, scrape + "scrape", "true"}}},
	{number: 16, words: "scrape port 7007",
		held:    []value{{deployment, scrape + "port", "9464"}, {deployment, container + "ports[metrics].containerPort", 9464.0}},
		instead: "7007 answers /metrics with the page, OpenTelemetry's exporter listens on 9464", switches: "metrics: {port: 7007}",
		drawn: []value{{deployment, scrape + "port", "7007"}, {deployment, container + "ports", list{fields{"containerPort": 7007.0}}}}},
	{number: 17, words: "scrape path", held: []value{{deployment, scrape + "path", "/metrics"}}},
	{number: 18, words: "init container", held: []value{{deployment, wait + "name", "wait-for-postgres"}}},
	{number: 19, words: "init image", held: []value{{deployment, wait + "image", "busybox:1.36"}}},
	{number: 20, words: "init command: nc in a loop, every 2 s", held: []value{{deployment, wait + "command[2]", holding{"nc -z", "until ready", "sleep 2"}}}},
	{number: 21, words: "init host from POSTGRES_HOST, with a time limit", held: []value{
		{deployment, wait + "env[POSTGRES_HOST].valueFrom.configMapKeyRef", fields{"name": "backstage-env-config", "key": "POSTGRES_HOST"}},
		{config, "data.POSTGRES_HOST", "psql-postgresql.backstage.svc.cluster.local"},
		{deployment, wait + "env[TIMEOUT].value", "120"}}},
	{number: 22, words: "init requests", held: []value{{deployment, wait + "resources.requests", fields{"cpu": "50m", "memory": "64Mi"}}}},
	{number: 23, words: "init limits", held: []value{{deployment, wait + "resources.limits", fields{"cpu": "100m", "memory": "128Mi"}}}},
	{number: 24, words: "container name", held: []value{{deployment, container + "name", "backstage"}}},
	{number: 25, words: "image :v7",
		held:    []value{{deployment, container + "image", "jaimehenao8126/backstage-production@" + digest}},
		instead: "a tag can move between two pods", switches: `image: {digest: "", tag: v7}`,
		drawn: []value{{deployment, container + "image", "jaimehenao8126/backstage-production:v7"}}},
	{number: 26, words: "pull policy Always",
		held:    []value{{deployment, container + "imagePullPolicy", "IfNotPresent"}},
		instead: "a digest cannot differ, and pods start while the registry is down", switches: "image: {pullPolicy: Always}",
		drawn: []value{{deployment, container + "imagePullPolicy", "Always"}}},
	{number: 27, words: "container port", held: []value{{deployment, container + "ports[http]", fields{"name": "http", "containerPort": 7007.0, "protocol": "TCP"}}}},
	{number: 28, words: "NODE_ENV", held: []value{{deployment, container + "env[NODE_ENV].value", "production"}}},
	{number: 29, words: "NODE_OPTIONS of the heap alone",
		held:    []value{{deployment, container + "env[NODE_OPTIONS].value", "--no-node-snapshot --max-old-space-size=1024"}},
		instead: "it would replace the flag of the image, which the scaffolder needs", switches: "nodeOptions: [--max-old-space-size=1024]",
		drawn: []value{{deployment, container + "env[NODE_OPTIONS].value", "--max-old-space-size=1024"}}},
	{number: 30, words: "environment of the ConfigMap, then of the Secret", held: []value{{deployment, container + "envFrom", list{
		fields{"configMapRef": fields{"name": "backstage-env-config"}}, fields{"secretRef": fields{"name": "backstage-secrets"}}}}}},
	{number: 31, words: "requests", held: []value{{deployment, container + "resources.requests", fields{"cpu": "250m", "memory": "512Mi"}}}},
	{number: 32, words: "limits", held: []value{{deployment, container + "resources.limits", fields{"cpu": "1000m", "memory": "2Gi"}}}},
	{number: 33, words: "volume tmp of 1Gi at /tmp", held: []value{
		{deployment, pod + "volumes[tmp].emptyDir", fields{"sizeLimit": "1Gi"}}, {deployment, container + "volumeMounts[tmp].mountPath", "/tmp"}}},
	{number: 34, words: "volume app-tmp of 1Gi at /app/tmp", held: []value{
		{deployment, pod + "volumes[app-tmp].emptyDir", fields{"sizeLimit": "1Gi"}}, {deployment, container + "volumeMounts[app-tmp].mountPath", "/app/tmp"}}},
	{number: 35, words: "startup probe of /healthcheck",
		held:    []value{{deployment, container + "startupProbe.httpGet", fields{"path": "/.backstage/health/v1/readiness", "port": "http"}}},
		instead: "it answers 200 with the page while the catalog is dead", switches: "probes: {startup: {path: /healthcheck}}",
		drawn: []value{{deployment, container + "startupProbe.httpGet.path", "/healthcheck"}}},
	{number: 36, words: "startup after 30 s, every 10 s, 12 times, timeout 5 s",
		held:    []value{{deployment, container + "startupProbe", times(5, 5, 5, 29)}},
		instead: "the same 150 s, but who is up after 10 s counts after 10 s", switches: "probes: {startup: {initialDelaySeconds: 30, periodSeconds: 10, failureThreshold: 12}}",
		drawn: []value{{deployment, container + "startupProbe", times(30, 10, 5, 12)}}},
	{number: 37, words: "liveness after 90 s, every 30 s, 3 times, timeout 10 s", held: []value{
		{deployment, container + "livenessProbe", times(90, 30, 10, 3)}, {deployment, container + "livenessProbe.httpGet.path", "/.backstage/health/v1/liveness"}}},
	{number: 38, words: "readiness after 60 s, every 10 s, 3 times, timeout 5 s",
		held:    []value{{deployment, container + "readinessProbe", times(0, 10, 5, 3)}},
		instead: "the startup probe has waited; each pod of each deploy would cost a minute more", switches: "probes: {readiness: {initialDelaySeconds: 60}}",
		drawn: []value{{deployment, container + "readinessProbe", times(60, 10, 5, 3)}}},
	{number: 39, words: "runAsNonRoot", held: []value{{deployment, pod + "securityContext.runAsNonRoot", true}}},
	{number: 40, words: "runAsUser", held: []value{{deployment, pod + "securityContext.runAsUser", 1000.0}}},
	{number: 41, words: "allowPrivilegeEscalation", held: everywhere("allowPrivilegeEscalation", false)},
	{number: 42, words: "capabilities", held: everywhere("capabilities", fields{"drop": list{"ALL"}})},
	{number: 43, words: "readOnlyRootFilesystem", held: everywhere("readOnlyRootFilesystem", false)},
	{number: 44, words: "fsGroup", held: []value{{deployment, pod + "securityContext.fsGroup", 1000.0}}},
	{number: 45, words: "seccompProfile", held: []value{{deployment, pod + "securityContext.seccompProfile", fields{"type": "RuntimeDefault"}}}},
	{number: 46, words: "preferred anti-affinity by node", held: []value{{deployment, pod + "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution", list{fields{
		"weight": 100.0, "podAffinityTerm": fields{"topologyKey": "kubernetes.io/hostname", "labelSelector": fields{
			"matchExpressions": list{fields{"key": "app", "operator": "In", "values": list{"backstage"}}}}}}}}}},
	{number: 47, words: "ConfigMap of twelve entries", held: []value{{config, "data", fields{
		"NODE_ENV": "production", "NODE_OPTIONS": "--no-node-snapshot --max-old-space-size=1024", "LOG_LEVEL": "info", "TZ": "UTC",
		"POSTGRES_HOST": "psql-postgresql.backstage.svc.cluster.local", "POSTGRES_PORT": "5432", "POSTGRES_DB": "backstage_plugin_catalog",
		"BACKEND_URL": "https://backstage.arhean.com", "FRONTEND_URL": "https://backstage.arhean.com",
		"APP_BASE_URL": "https://backstage.arhean.com", "BACKEND_BASE_URL": "https://backstage.arhean.com", "CORS_ORIGIN": "https://backstage.arhean.com"}}}},
	{number: 48, words: "Secret of five entries",
		held:    []value{{"Secret/backstage-secrets", "type", "Opaque"}, {"Secret/backstage-secrets", "data", fields{"POSTGRES_USER": "YmFja3N0YWdl"}}},
		instead: "an empty token keeps Backstage from starting where none does not", switches: "secrets: {githubToken: t, githubClientId: i, githubClientSecret: s}",
		drawn: []value{{"Secret/backstage-secrets", "data", fields{"GITHUB_TOKEN": "dA==", "GITHUB_CLIENT_ID": "aQ==", "GITHUB_CLIENT_SECRET": "cw=="}}}},
	{number: 49, words: "ServiceAccount", held: []value{{deployment, pod + "serviceAccountName", "backstage"}, {"ServiceAccount/backstage", "metadata.namespace", "backstage"}}},
	{number: 50, words: "ClusterRole", held: []value{{"ClusterRole/backstage-backend", "metadata.name", "backstage-backend"}}},
	{number: 51, words: "ClusterRoleBinding", held: []value{
		{"ClusterRoleBinding/backstage-backend", "roleRef", fields{"kind": "ClusterRole", "name": "backstage-backend"}},
		{"ClusterRoleBinding/backstage-backend", "subjects", list{fields{"kind": "ServiceAccount", "name": "backstage", "namespace": "backstage"}}}}},
	{number: 52, words: "rules: read everything",
		held:    []value{{"ClusterRole/backstage-backend", "rules[0]", fields{"apiGroups": list{""}, "verbs": list{"get", "list", "watch"}}}},
		instead: "that reads every Secret of the cluster", switches: "rbac: {mode: seed}",
		drawn: []value{{"ClusterRole/backstage-backend", "rules", list{fields{"apiGroups": list{"*"}, "resources": list{"*"}, "verbs": list{"get", "list", "watch"}}}}}},
	{number: 53, words: "Ingress of class nginx", instead: without, switches: publish,
		drawn: []value{{ingress, "spec.ingressClassName", "nginx"}}},
	{number: 54, words: "host", instead: without, switches: publish,
		drawn: []value{{ingress, "spec.rules[0].host", "backstage.arhean.com"}}},
	{number: 55, words: "path / to the Service's port 80", instead: without, switches: publish,
		drawn: []value{{ingress, "spec.rules[0].http.paths", list{fields{"path": "/", "pathType": "Prefix",
			"backend": fields{"service": fields{"name": "backstage", "port": fields{"number": 80.0}}}}}}}},
	{number: 56, words: "TLS ends at the Ingress, Secret backstage-tls", instead: without, switches: publish,
		drawn: []value{{ingress, "spec.tls", list{fields{"hosts": list{"backstage.arhean.com"}, "secretName": "backstage-tls"}}}}},
	{number: 57, words: "issuer letsencrypt-prod", instead: without, switches: publish,
		drawn: []value{{ingress, "metadata.annotations.cert-manager~io/cluster-issuer", "letsencrypt-prod"}}},
	{number: 58, words: "HTTP redirected to HTTPS", instead: without, switches: publish,
		drawn: []value{{ingress, nginx + "force-ssl-redirect", "true"}}},
	{number: 59, words: "TLS 1.2 and 1.3 only", cannot: "the controller's configuration or the Gateway's listener says which versions there are; no annotation does"},
	{number: 60, words: "limits of rate and connections", instead: without, switches: publish,
		drawn: []value{{ingress, nginx + "limit-rps", "50"}, {ingress, nginx + "limit-connections", "100"}}},
	{number: 61, words: "protection against floods", cannot: "it is named only; there is nothing to set"},
	{number: 62, words: "optional mTLS", instead: "it is optional", switches: "ingress: {nginx: {clientCertificates: {secretName: clients}}}",
		drawn: []value{{ingress, nginx + "auth-tls-secret", "backstage/clients"}, {ingress, nginx + "auth-tls-verify-client", "on"}}},
	{number: 63, words: "body size, timeouts, buffer and CORS", instead: "Backstage answers CORS itself", switches: "ingress: {nginx: {cors: {enabled: true}}}",
		drawn: []value{{ingress, nginx + "proxy-body-size", "10m"}, {ingress, nginx + "proxy-buffer-size", "8k"},
			{ingress, nginx + "proxy-read-timeout", "300"}, {ingress, nginx + "proxy-send-timeout", "300"},
			{ingress, nginx + "enable-cors", "true"}, {ingress, nginx + "cors-allow-origin", "https://backstage.arhean.com"}}},
	{number: 64, words: "PostgreSQL of one pod, in order", held: []value{{database, "spec.replicas", 1.0}, {database, "spec.podManagementPolicy", "OrderedReady"}}},
	{number: 65, words: "PostgreSQL version and port", held: []value{{database, postgres + "image", holding{"postgres:14"}}, {database, postgres + "ports[0].containerPort", 5432.0}}},
	{number: 66, words: "database", held: []value{{config, "data.POSTGRES_DB", "backstage_plugin_catalog"}}},
	{number: 67, words: "claim data of 8Gi, RWO", held: []value{{database, "spec.volumeClaimTemplates", list{fields{"metadata": fields{"name": "data"},
		"spec": fields{"accessModes": list{"ReadWriteOnce"}, "resources": fields{"requests": fields{"storage": "8Gi"}}}}}}}},
	{number: 68, words: "StorageClass", held: []value{{database, "spec.volumeClaimTemplates[0].spec.storageClassName", "standard"}}},
	{number: 69, words: "mount of the data", held: []value{{database, postgres + "volumeMounts[data].mountPath", "/var/lib/postgresql/data"}}},
	{number: 70, words: "max_connections", held: []value{{database, postgres + "args[1]", "max_connections=100"}}},
	{number: 71, words: "shared_buffers", held: []value{{database, postgres + "args[3]", "shared_buffers=256MB"}}},
	{number: 72, words: "resources of PostgreSQL", held: []value{{database, postgres + "resources",
		fields{"requests": fields{"cpu": "100m", "memory": "256Mi"}, "limits": fields{"cpu": "500m", "memory": "1Gi"}}}}},
	{number: 73, words: "Services of PostgreSQL", held: []value{{"Service/psql-postgresql", "spec.ports[0].port", 5432.0},
		{"Service/psql-postgresql-hl", "spec.clusterIP", "None"}, {"Service/psql-postgresql-hl", "spec.ports[0].port", 5432.0}, {database, "spec.serviceName", "psql-postgresql-hl"}}},
	{number: 74, words: "in only from the ingress controller's namespace",
		held: []value{{policies, "spec.podSelector.matchLabels.app", "backstage"},
			{policies, "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values", list{"ingress-nginx", "kube-system"}}},
		instead: "Prometheus and the pipeline's check through the API server would be cut off", switches: "networkPolicy: {apiServer: {namespaces: []}, metricsNamespaces: []}",
		drawn: []value{{policies, "spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].values", list{"ingress-nginx"}}}},
	{number: 75, words: "to PostgreSQL only from Backstage's pods", held: []value{
		{databasePolicy, "spec.podSelector.matchLabels.app", "psql-postgresql"},
		{databasePolicy, "spec.ingress", list{fields{"ports": list{fields{"port": 5432.0}}, "from": list{fields{"podSelector": fields{"matchLabels": fields{"app": "backstage"}}}}}}}}},
	{number: 76, words: "out to the internet and DNS", held: []value{
		{policies, "spec.egress[0]", fields{"ports": list{fields{"port": 53.0, "protocol": "UDP"}, fields{"port": 53.0, "protocol": "TCP"}}}},
		{policies, "spec.egress[4]", fields{"ports": list{fields{"port": 443.0}}}}}},
	{number: 77, words: "token for the kubernetes plugin", held: []value{{deployment, pod + "automountServiceAccountToken", true}}},
	{number: 78, words: "quota of the namespace", instead: "who deploys should not be who sets the limits", switches: "quota: {enabled: true}",
		drawn: []value{{"ResourceQuota/backstage", "spec.hard",
			fields{"limits.cpu": "3", "limits.memory": "6Gi", "requests.cpu": "1.5", "requests.memory": "2Gi", "pods": "10"}}}},
}

// times are those of a probe.
func times(delay, period, timeout, failures float64) fields {
	all := fields{"periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}
	if delay > 0 { // an API server leaves a 0 out
		all["initialDelaySeconds"] = delay
	}
	return all
}

// everywhere is a field of the security context of both containers.
func everywhere(field string, want any) []value {
	return []value{{deployment, container + "securityContext." + field, want}, {deployment, wait + "securityContext." + field, want}}
}
