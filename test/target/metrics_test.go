package target

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// busy works without end and has a third of what it would need.
const busy = `
apiVersion: v1
kind: Namespace
metadata: {name: target-busy}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy, namespace: target-busy}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: busy, image: "busybox:1.36", command: [sh, -c, "while :; do :; done"], resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {cpu: 30m, memory: 16Mi}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: busy, namespace: target-busy}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: busy}
  minReplicas: 1
  maxReplicas: 2
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
`

// A resource's figures take two readings, 15 s from each other.
const patience = 5 * time.Minute

func TestAnAutoscalerGetsItsMetrics(t *testing.T) {
	with(t, "metrics")
	start := time.Now()
	apply(t, busy)
	require.Eventually(t, func() bool {
		out, err := try(t, "-n", "target-busy", "get", "hpa", "busy", "-o", "jsonpath={.status.currentMetrics[0].resource.current.averageUtilization} {.status.desiredReplicas}")
		used, replicas, _ := strings.Cut(out, " ")
		percent, numberErr := strconv.Atoi(used)
		return err == nil && numberErr == nil && percent > 60 && replicas == "2"
	}, patience, time.Second)
	kubectl(t, "-n", "target-busy", "rollout", "status", "deployment/busy", "--timeout", "2m")
	t.Logf("from 1 to 2 pods after %.0f s", time.Since(start).Seconds())
	require.Contains(t, kubectl(t, "top", "pods", "-n", "target-busy"), "busy-")
	require.Contains(t, kubectl(t, "top", "nodes"), "sandbox-")
}

// The API server vouches for its users to metrics-server, and lets nobody ask unasked.
func TestMetricsAreNotForEverybody(t *testing.T) {
	with(t, "metrics")
	kubectl(t, "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
	out, err := try(t, "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes", "--as", "somebody", "--as-group", "system:authenticated")
	require.Error(t, err)
	require.Contains(t, strings.ToLower(out), "forbidden")
}
