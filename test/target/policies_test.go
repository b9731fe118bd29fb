package target

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// arrows are a server and two clients, and a policy that lets in one of them.
const arrows = `
apiVersion: v1
kind: Namespace
metadata: {name: target-in}
---
apiVersion: v1
kind: Namespace
metadata: {name: target-out}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: target-in, labels: {app: server}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: server
    image: busybox:1.36
    command: [httpd, -f, -p, "8080", -h, /etc]
    ports: [{containerPort: 8080}]
    readinessProbe: {httpGet: {path: /passwd, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: target-in}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: target-in}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: client, image: "busybox:1.36", command: [sleep, "86400"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: target-out}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: client, image: "busybox:1.36", command: [sleep, "86400"]}]}
`

const letIn = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: target-in}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: target-in}}}], ports: [{port: 8080}]}]
  egress: [{ports: [{port: 53, protocol: UDP}]}]
`

// open reports whether a pod of a namespace gets through to an address.
func open(t *testing.T, namespace, pod, host, port string) bool {
	t.Helper()
	_, err := try(t, "-n", namespace, "exec", pod, "--", "nc", "-z", "-w", "3", host, port)
	return err == nil
}

func TestPoliciesBlock(t *testing.T) {
	with(t, "policies")
	apply(t, arrows)
	for _, namespace := range []string{"target-in", "target-out"} {
		kubectl(t, "-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout", "3m")
	}
	address := kubectl(t, "-n", "target-in", "get", "pod", "server", "-o", "jsonpath={.status.podIP}")
	const service, world = "server.target-in.svc.cluster.local", "kubernetes.default.svc.cluster.local"
	for _, namespace := range []string{"target-in", "target-out"} {
		require.True(t, open(t, namespace, "client", service, "80"), "without a policy everything is open")
	}
	require.True(t, open(t, "target-in", "server", world, "443"))

	apply(t, letIn)
	require.Eventually(t, func() bool { return !open(t, "target-out", "client", address, "8080") }, time.Minute, time.Second)
	require.False(t, open(t, "target-out", "client", service, "80"), "nor through the Service")
	require.True(t, open(t, "target-in", "client", service, "80"))
	require.True(t, open(t, "target-in", "client", address, "8080"))
	require.Eventually(t, func() bool { return !open(t, "target-in", "server", world, "443") }, time.Minute, time.Second, "out is DNS only")
	kubectl(t, "-n", "target-in", "exec", "server", "--", "nslookup", world)
	kubectl(t, "-n", "target-in", "wait", "--for=condition=Ready", "pod/server", "--timeout", "1m") // the kubelet is let in

	kubectl(t, "-n", "target-in", "delete", "networkpolicy", "server")
	require.Eventually(t, func() bool { return open(t, "target-out", "client", service, "80") }, time.Minute, time.Second)
}
