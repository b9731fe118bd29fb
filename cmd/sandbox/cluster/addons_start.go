package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// Ports of the add-ons on the node's address.
const (
	metricsPort = "4443"
	acmePort    = "14000"
	rootsPort   = "15000" // where pebble gives its root away
	edgeDNSPort = "8053"
)

// startMetrics runs metrics-server as a process of the node: the kubelet is beside it,
// and the API server asks it through a Service whose endpoint is the node.
func startMetrics(ctx context.Context, s *supervisor) error {
	n := s.node
	server := component{name: "metrics-server", path: n.Bin + "/metrics-server", args: []string{
		"--kubeconfig=" + n.addOnKubeconfig(),
		"--authentication-kubeconfig=" + n.addOnKubeconfig(), "--authorization-kubeconfig=" + n.addOnKubeconfig(),
		"--bind-address=" + n.IP().String(), "--secure-port=" + metricsPort,
		"--tls-cert-file=" + n.Path("pki/metrics-server.crt"), "--tls-private-key-file=" + n.Path("pki/metrics-server.key"),
		"--kubelet-certificate-authority=" + n.Path("pki/ca.crt"),
		"--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port",
		"--metric-resolution=15s",
	}, ready: n.httpReady("https://" + n.IP().String() + ":" + metricsPort + "/livez")}
	if err := s.up(ctx, server); err != nil {
		return err
	}
	if err := n.apply(ctx, "metrics.yaml"); err != nil {
		return err
	}
	return n.condition(ctx, thing{"apiregistration.k8s.io", "v1", "apiservices", "", "v1beta1.metrics.k8s.io"}, "Available")
}

// startPolicies lets kube-router filter what pods send each other. Its rules are in the
// node's network namespace and go with it; kube-proxy stays responsible for Services.
func startPolicies(ctx context.Context, s *supervisor) error {
	n := s.node
	return s.up(ctx, component{name: "kube-router", path: n.Bin + "/kube-router", args: []string{
		"--kubeconfig=" + n.addOnKubeconfig(), "--hostname-override=" + n.Hostname(),
		"--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--run-loadbalancer=false", "--enable-cni=false",
		"--service-cluster-ip-range=" + n.Services().String(),
		"--iptables-sync-period=30s", "--metrics-port=0", "--health-port=20244", "--v=1",
	}, ready: filters})
}

// filters asks the node's tables for the chains of kube-router: it calls itself healthy
// before it has read the first policy.
func filters(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "iptables", "-w", "-S", "FORWARD").CombinedOutput()
	if err == nil && !bytes.Contains(out, []byte("-j KUBE-ROUTER-FORWARD")) {
		err = errors.New("no rule leads to KUBE-ROUTER-FORWARD")
	}
	if err != nil {
		return fmt.Errorf("the rules of policies: %w: %.300s", err, out)
	}
	return nil
}

// startIngress runs Traefik in a pod, as policies are about pods of its namespace.
func startIngress(ctx context.Context, s *supervisor) error {
	n := s.node
	if err := errors.Join(n.applyFile(ctx, n.Bin+"/gateway-api.yaml"), n.apply(ctx, "ingress.yaml")); err != nil {
		return err
	}
	return n.condition(ctx, thing{"apps", "v1", "deployments", "ingress-nginx", "ingress"}, "Available")
}

// startMonitoring runs Prometheus in a pod, as policies are about pods of its namespace.
func startMonitoring(ctx context.Context, s *supervisor) error {
	n := s.node
	if err := n.apply(ctx, "monitoring.yaml"); err != nil {
		return err
	}
	return n.condition(ctx, thing{"apps", "v1", "deployments", "monitoring", "prometheus"}, "Available")
}

// startCertificates runs an ACME server as Let's Encrypt is one, and cert-manager.
func startCertificates(ctx context.Context, s *supervisor) error {
	n := s.node
	if err := n.applyFile(ctx, n.Bin+"/cert-manager.yaml"); err != nil {
		return err
	}
	acme := "https://" + n.IP().String() + ":" + acmePort + "/dir"
	if err := together(ctx,
		func(ctx context.Context) error {
			return s.up(ctx, component{name: "pebble", path: n.Bin + "/pebble", args: []string{
				"-config", n.Path("etc/pebble.json"), "-dnsserver", n.edgeDNS(),
			}, env: []string{"PEBBLE_VA_NOSLEEP=1"}, ready: n.httpReady(acme)})
		},
		func(ctx context.Context) error {
			return s.up(ctx, component{name: "cert-manager", path: n.Bin + "/cert-manager", args: []string{
				"--kubeconfig=" + n.addOnKubeconfig(),
				"--acme-http01-solver-image=docker.io/sandbox/acmesolver:local", "--acme-http01-solver-nameservers=" + n.edgeDNS(),
			}, ready: n.httpReady("http://127.0.0.1:9403/livez")})
		},
	); err != nil {
		return err
	}
	if err := n.apply(ctx, "certificates.yaml"); err != nil {
		return err
	}
	return n.condition(ctx, thing{"cert-manager.io", "v1", "clusterissuers", "", "letsencrypt-prod"}, "Ready")
}

// addOnKubeconfig is the administrator's rights under another name.
func (n Node) addOnKubeconfig() string { return n.Path("kubeconfig/add-ons") }

// edgeDNS knows every name outside of the cluster as the ingress controller.
func (n Node) edgeDNS() string { return n.IP().String() + ":" + edgeDNSPort }

// ACMERoots is where the authority's root certificate is, in PEM; "" without the
// add-on certificates. The address itself is vouched for by the sandbox's authority.
func (n Node) ACMERoots() string {
	if !n.Has("certificates") {
		return ""
	}
	return "https://" + n.IP().String() + ":" + rootsPort + "/roots/0"
}
