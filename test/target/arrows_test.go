package target

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
)

// strangers are clients of other namespaces, and one of Backstage's own.
const strangers = `
apiVersion: v1
kind: Namespace
metadata: {name: target-other}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: target-other, labels: {app: client}}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: client, image: "busybox:1.36", command: [httpd, -f, -p, "8080"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: ingress-nginx}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: client, image: "busybox:1.36", command: [sleep, "86400"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: monitoring}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: client, image: "busybox:1.36", command: [sleep, "86400"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: backstage}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: client, image: "busybox:1.36", command: [sleep, "86400"], resources: {limits: {cpu: 50m, memory: 32Mi}}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: backstage, labels: {backstage-client: "true"}}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: client, image: "busybox:1.36", command: [sleep, "86400"], resources: {limits: {cpu: 50m, memory: 32Mi}}}]}
`

// arrow is a connection that somebody tries.
type arrow struct {
	from, to string
	allowed  bool
	try      func() bool
}

// fromNode connects from Backstage's container, which has no nc.
const fromNode = `const s = require("net").connect(%s, "%s"); s.setTimeout(3000, () => process.exit(1)); s.on("error", () => process.exit(1)); s.on("connect", () => process.exit(0))`

func (g *site) arrowTable() {
	g.t.Helper()
	apply(g.t, strangers)
	for _, n := range []string{"target-other", "ingress-nginx", "monitoring", namespace} {
		kubectl(g.t, "-n", n, "wait", "--for=condition=Ready", "pod", "--all", "--timeout", "3m")
	}
	other := kubectl(g.t, "-n", "target-other", "get", "pod", "client", "-o", "jsonpath={.status.podIP}")
	g.doc.section("Policies: each arrow tried", "from", "to", "drawn", "found")
	for _, a := range g.arrows(other) {
		require.Eventually(g.t, func() bool { return a.try() == a.allowed }, time.Minute, time.Second, "%s to %s", a.from, a.to)
		g.doc.row(a.from, a.to, word(a.allowed), word(a.allowed))
	}
	g.doc.line("\nWhat is forbidden was tried, not read: the connection is refused.")
}

func word(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "forbidden"
}

func (g *site) arrows(other string) []arrow {
	const page, database, api = "backstage.backstage.svc.cluster.local", "psql-postgresql.backstage.svc.cluster.local", "kubernetes.default.svc.cluster.local"
	pod := kubectl(g.t, "-n", namespace, "get", "pods", "-l", "app=backstage", "-o", "jsonpath={.items[0].status.podIP}")
	client := func(namespace, pod, host, port string) func() bool {
		return func() bool { return open(g.t, namespace, pod, host, port) }
	}
	inside := func(target string, command ...string) func() bool {
		return func() bool {
			_, err := try(g.t, append([]string{"-n", namespace, "exec", target, "--"}, command...)...)
			return err == nil
		}
	}
	backstage := func(host, port string) func() bool {
		return inside("deployment/backstage", "node", "-e", fmt.Sprintf(fromNode, port, host))
	}
	asks := func(args ...string) func() bool {
		return func() bool { out, err := try(g.t, args...); return err == nil && out != "no" }
	}
	account := "system:serviceaccount:" + namespace + ":backstage"
	return []arrow{
		{"the ingress controller's namespace", "Backstage", true, client("ingress-nginx", "client", page, "80")},
		{"another namespace", "Backstage", false, client("target-other", "client", page, "80")},
		{"a pod of the namespace", "Backstage", false, client(namespace, "stranger", page, "80")},
		{"the same with the label backstage-client", "Backstage", true, client(namespace, "client", page, "80")},
		{"Prometheus's namespace", "Backstage's metrics", true, client("monitoring", "client", pod, "9464")},
		{"Prometheus's namespace", "Backstage", false, client("monitoring", "client", page, "80")},
		{"another namespace", "Backstage's metrics", false, client("target-other", "client", pod, "9464")},
		{"the pipeline, through the API server", "Backstage", true, asks("get", "--raw", "/api/v1/namespaces/backstage/services/backstage:http/proxy/.backstage/health/v1/readiness")},
		{"Backstage", "PostgreSQL", true, backstage(database, "5432")},
		{"the ingress controller's namespace", "PostgreSQL", false, client("ingress-nginx", "client", database, "5432")},
		{"another namespace", "PostgreSQL", false, client("target-other", "client", database, "5432")},
		{"a pod of the namespace", "PostgreSQL", false, client(namespace, "stranger", database, "5432")},
		{"Backstage", "the API server", true, backstage(api, "443")},
		{"Backstage", "DNS", true, inside("deployment/backstage", "node", "-e", `require("dns").promises.resolve4("`+api+`").catch(() => process.exit(1))`)},
		{"Backstage", "a pod of another namespace", false, backstage(other, "8080")},
		{"PostgreSQL", "a pod of another namespace", false, inside("psql-postgresql-0", "bash", "-c", "exec 3<>/dev/tcp/"+other+"/8080")},
		{"PostgreSQL", "DNS and the API server", false, inside("psql-postgresql-0", "bash", "-c", "exec 3<>/dev/tcp/"+api+"/443")},
		{"Backstage's account", "pods of the cluster (RBAC)", true, asks("auth", "can-i", "list", "pods", "-A", "--as", account)},
		{"Backstage's account", "Secrets (RBAC)", false, asks("auth", "can-i", "get", "secrets", "-n", namespace, "--as", account)},
	}
}
