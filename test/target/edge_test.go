package target

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// page is what stands behind an edge, in a namespace of its own.
const page = `
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: page, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: page}}
  template:
    metadata: {labels: {app: page}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: page
        image: busybox:1.36
        command: [sh, -c, "mkdir -p /tmp/w/cgi-bin; echo page > /tmp/w/index.html; printf '#!/bin/sh\\nsleep 3\\necho; echo slow\\n' > /tmp/w/cgi-bin/slow; chmod +x /tmp/w/cgi-bin/slow; exec httpd -f -p 7007 -h /tmp/w"]
        ports: [{containerPort: 7007}]
        readinessProbe: {httpGet: {path: /index.html, port: 7007}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: page, namespace: NAMESPACE}
spec: {selector: {app: page}, ports: [{port: 80, targetPort: 7007}]}
`

// edge are two names of it: one is limited, the other is not.
const edge = `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: open
  namespace: target-edge
  annotations: {cert-manager.io/cluster-issuer: letsencrypt-prod, nginx.ingress.kubernetes.io/force-ssl-redirect: "true"}
spec:
  ingressClassName: nginx
  tls: [{hosts: [open.example.com], secretName: open-tls}]
  rules: [{host: open.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: page, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: limited
  namespace: target-edge
  annotations:
    nginx.ingress.kubernetes.io/limit-rps: "5"
    nginx.ingress.kubernetes.io/limit-burst-multiplier: "2"
    nginx.ingress.kubernetes.io/limit-connections: "4"
    nginx.ingress.kubernetes.io/proxy-body-size: 1k
spec:
  ingressClassName: nginx
  rules: [{host: limited.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: page, port: {number: 80}}}}]}}]
`

func TestTheEdge(t *testing.T) {
	s := with(t, "ingress", "certificates")
	apply(t, strings.ReplaceAll(page, "NAMESPACE", "target-edge")+edge)
	kubectl(t, "-n", "target-edge", "rollout", "status", "deployment/page", "--timeout", "2m")
	client := s.client(t)
	start := time.Now()
	require.Eventually(t, func() bool { status, _ := get(client, "https://open.example.com/"); return status == http.StatusOK }, patience, 200*time.Millisecond,
		"a certificate is issued over HTTP-01 and served")
	t.Logf("certificate served after %.1f s", time.Since(start).Seconds())
	require.Eventually(t, func() bool { status, _ := get(client, "http://limited.example.com/"); return status == http.StatusOK }, patience, 200*time.Millisecond)

	t.Run("versions of TLS", func(t *testing.T) {
		for version, accepted := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			state, err := s.handshake(t, "open.example.com", version)
			if accepted {
				require.NoError(t, err, tls.VersionName(version))
				require.Equal(t, []string{"open.example.com"}, state.PeerCertificates[0].DNSNames)
				continue
			}
			require.ErrorContains(t, err, "protocol version", tls.VersionName(version))
		}
	})
	t.Run("plain HTTP is sent to HTTPS", func(t *testing.T) {
		status, location := get(client, "http://open.example.com/some/path?x=1")
		require.Equal(t, http.StatusPermanentRedirect, status)
		require.Equal(t, "https://open.example.com/some/path?x=1", location)
	})
	t.Run("a name that nobody serves", func(t *testing.T) {
		status, _ := get(client, "http://other.example.com/")
		require.Equal(t, http.StatusNotFound, status)
	})
	t.Run("a body beyond the limit", func(t *testing.T) {
		answer, err := client.Post("http://limited.example.com/", "text/plain", strings.NewReader(strings.Repeat("x", 5000)))
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode)
	})
	t.Run("requests beyond the limit", func(t *testing.T) {
		count := atOnce(client, "http://limited.example.com/", 60)
		t.Logf("60 requests, 5 a second and a burst of 10 allowed: %v", count)
		require.NotZero(t, count[http.StatusTooManyRequests])
		require.Equal(t, 60, count[http.StatusOK]+count[http.StatusTooManyRequests])
		require.Eventually(t, func() bool { status, _ := get(client, "http://limited.example.com/"); return status == http.StatusOK }, time.Minute, time.Second, "later it is let in")
	})
	t.Run("connections beyond the limit", func(t *testing.T) {
		require.Eventually(t, func() bool { return onlyFour(t, client) }, time.Minute, 3*time.Second)
	})
	t.Run("requests that never end", func(t *testing.T) { s.slowly(t, client) })
}
