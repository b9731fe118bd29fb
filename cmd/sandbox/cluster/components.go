package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func (n Node) etcd() component {
	return component{name: "etcd", args: []string{
		"--name=node", "--data-dir=" + n.Path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=https://127.0.0.1:2379", "--advertise-client-urls=https://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=node=http://127.0.0.1:2380",
		"--cert-file=" + n.Path("pki/etcd.crt"), "--key-file=" + n.Path("pki/etcd.key"),
		"--client-cert-auth", "--trusted-ca-file=" + n.Path("pki/ca.crt"),
		"--listen-metrics-urls=http://127.0.0.1:2381",
	}, ready: n.httpReady("http://127.0.0.1:2381/health")}
}

func (n Node) apiserver() component {
	return component{name: "kube-apiserver", args: []string{
		"--advertise-address=" + n.IP().String(), "--secure-port=6443",
		"--etcd-servers=https://127.0.0.1:2379", "--etcd-cafile=" + n.Path("pki/ca.crt"),
		"--etcd-certfile=" + n.Path("pki/apiserver-client.crt"), "--etcd-keyfile=" + n.Path("pki/apiserver-client.key"),
		"--tls-cert-file=" + n.Path("pki/apiserver.crt"), "--tls-private-key-file=" + n.Path("pki/apiserver.key"),
		"--client-ca-file=" + n.Path("pki/ca.crt"),
		"--kubelet-certificate-authority=" + n.Path("pki/ca.crt"),
		"--kubelet-client-certificate=" + n.Path("pki/apiserver-client.crt"), "--kubelet-client-key=" + n.Path("pki/apiserver-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + n.Services().String(),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=" + n.Path("pki/service-account.key"), "--service-account-key-file=" + n.Path("pki/service-account.key"),
		"--audit-policy-file=" + n.Path("etc/audit.yaml"), "--audit-log-path=" + n.AuditLog(),
		"--audit-log-maxsize=50", "--audit-log-maxbackup=1", // MiB, and one older file
		// The aggregation layer: extension API servers, metrics-server for one.
		"--requestheader-client-ca-file=" + n.Path("pki/front-proxy-ca.crt"), "--requestheader-allowed-names=" + aggregator,
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + n.Path("pki", aggregator+".crt"), "--proxy-client-key-file=" + n.Path("pki", aggregator+".key"),
		"--allow-privileged", "--profiling=false",
	}, ready: n.httpReady(n.Server() + "/readyz")}
}

func (n Node) controllerManager() component {
	return component{name: "kube-controller-manager", args: []string{
		"--kubeconfig=" + n.Path("kubeconfig/controller-manager"),
		"--authentication-kubeconfig=" + n.Path("kubeconfig/controller-manager"), "--authorization-kubeconfig=" + n.Path("kubeconfig/controller-manager"),
		"--service-account-private-key-file=" + n.Path("pki/service-account.key"), "--root-ca-file=" + n.Path("pki/ca.crt"),
		"--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1",
		"--tls-cert-file=" + n.Path("pki/controller-manager.crt"), "--tls-private-key-file=" + n.Path("pki/controller-manager.key"),
		"--allocate-node-cidrs=false", "--profiling=false",
	}, ready: n.httpReady("https://127.0.0.1:10257/healthz")}
}

func (n Node) scheduler() component {
	return component{name: "kube-scheduler", args: []string{
		"--kubeconfig=" + n.Path("kubeconfig/scheduler"),
		"--authentication-kubeconfig=" + n.Path("kubeconfig/scheduler"), "--authorization-kubeconfig=" + n.Path("kubeconfig/scheduler"),
		"--leader-elect=false", "--bind-address=127.0.0.1", "--profiling=false",
		"--tls-cert-file=" + n.Path("pki/scheduler.crt"), "--tls-private-key-file=" + n.Path("pki/scheduler.key"),
	}, ready: n.httpReady("https://127.0.0.1:10259/healthz")}
}

func (n Node) kubelet() component {
	return component{name: "kubelet", args: []string{
		"--config=" + n.Path("etc/kubelet.yaml"), "--kubeconfig=" + n.Path("kubeconfig/kubelet"),
		"--root-dir=" + n.Path("kubelet"), "--hostname-override=" + n.Hostname(), "--node-ip=" + n.IP().String(),
	}, ready: n.httpReady("http://127.0.0.1:10248/healthz")}
}

func (n Node) proxy() component {
	return component{name: "kube-proxy", args: []string{"--config=" + n.Path("etc/proxy.yaml")},
		ready: n.httpReady("http://127.0.0.1:10256/livez")}
}

func (n Node) coredns() component {
	return component{name: "coredns", args: []string{"-conf", n.Path("etc/Corefile")},
		ready: n.httpReady("http://127.0.0.1:8181/ready")}
}

func (n Node) registry() component {
	return component{name: "registry", args: []string{"serve", n.Path("etc/registry.yaml")},
		ready: n.httpReady("https://" + n.Registry() + "/v2/")}
}

func (n Node) containerd() component {
	return component{name: "containerd", path: n.Bin + "/containerd", args: []string{"--config", n.Path("etc/containerd.toml"), "--log-level", "warn"},
		ready: func(ctx context.Context) error {
			c, err := (&net.Dialer{}).DialContext(ctx, "unix", "/run/containerd/containerd.sock")
			if err != nil {
				return err
			}
			return c.Close()
		}}
}

// httpReady asks a URL for status 200; https is verified by the sandbox's authority.
func (n Node) httpReady(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		transport, err := n.Transport()
		if err != nil {
			return err
		}
		defer transport.CloseIdleConnections()
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 300))
			return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
		}
		return nil
	}
}

// Transport trusts the sandbox's authority, and it alone.
func (n Node) Transport() (*http.Transport, error) {
	ca, err := os.ReadFile(n.Path("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("reading the sandbox's authority: no certificate in ca.crt")
	}
	return &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 5 * time.Second,
	}, nil
}
