package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"time"
)

// authority signs the certificates of one sandbox.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// subject says for what a certificate is. Names and addresses make it a server's.
type subject struct {
	file         string
	name         string
	organization string
	names        []string
	addresses    []netip.Addr
}

// subjects lists every certificate of a node.
func (n Node) subjects() []subject {
	loopback := netip.MustParseAddr("127.0.0.1")
	return []subject{
		{file: "apiserver", name: "kube-apiserver", addresses: []netip.Addr{n.IP(), n.APIService(), loopback},
			names: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}},
		{file: "etcd", name: "etcd", names: []string{"localhost"}, addresses: []netip.Addr{loopback}},
		{file: "kubelet", name: "system:node:" + n.Hostname(), organization: "system:nodes", names: []string{n.Hostname()}, addresses: []netip.Addr{n.IP()}},
		{file: "registry", name: "registry", addresses: []netip.Addr{n.IP(), loopback}},
		{file: "apiserver-client", name: "kube-apiserver-client", organization: "system:masters"},
		{file: "admin", name: "sandbox-admin", organization: "system:masters"},
		{file: "controller-manager", name: "system:kube-controller-manager", addresses: []netip.Addr{loopback}},
		{file: "scheduler", name: "system:kube-scheduler", addresses: []netip.Addr{loopback}},
		{file: "proxy", name: "system:kube-proxy"},
		{file: "coredns", name: "system:coredns"},
		{file: "add-ons", name: "system:add-ons", organization: "system:masters"},
		{file: "metrics-server", name: "metrics-server", names: []string{"metrics-server.kube-system.svc"}, addresses: []netip.Addr{n.IP()}},
		{file: "pebble", name: "pebble", addresses: []netip.Addr{n.IP()}},
	}
}

// makePKI writes a new authority and all certificates to the directory pki.
func (n Node) makePKI() error {
	if err := os.MkdirAll(n.Path("pki"), 0o700); err != nil {
		return err
	}
	ca, err := newAuthority("stagecrew sandbox " + n.Name)
	if err != nil {
		return err
	}
	if err := writePEM(n.Path("pki", "ca.crt"), "CERTIFICATE", ca.certificate.Raw, 0o644); err != nil {
		return err
	}
	for _, s := range n.subjects() {
		if err := ca.issue(s, n.Path("pki", s.file)); err != nil {
			return err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := writeKey(n.Path("pki", "service-account.key"), key); err != nil {
		return err
	}
	return errors.Join(n.makeFrontProxy(), n.writeBundle(ca))
}

// aggregator is how the API server calls itself where it asks an extension API server.
const aggregator = "aggregator"

// makeFrontProxy writes a second authority, whose certificates may speak for any user:
// that of the API server alone.
func (n Node) makeFrontProxy() error {
	ca, err := newAuthority("stagecrew sandbox " + n.Name + " front proxy")
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(n.Path("pki", "front-proxy-ca.crt"), "CERTIFICATE", ca.certificate.Raw, 0o644),
		ca.issue(subject{name: aggregator}, n.Path("pki", aggregator)))
}

// systemRoots are the places where distributions keep their roots in one file.
var systemRoots = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}

// writeBundle writes the system's roots and the sandbox's into one file, for
// SSL_CERT_FILE.
func (n Node) writeBundle(ca authority) error {
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.certificate.Raw})
	for _, path := range systemRoots {
		roots, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		bundle = append(append(roots, '\n'), bundle...)
		break
	}
	return os.WriteFile(n.Path("ca-bundle.crt"), bundle, 0o644)
}

func newAuthority(name string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template, err := certificate(name)
	if err != nil {
		return authority{}, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	certificate, err := x509.ParseCertificate(raw)
	return authority{certificate, key}, err
}

// issue writes path.crt and path.key.
func (a authority) issue(s subject, path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t, err := certificate(s.name)
	if err != nil {
		return err
	}
	if s.organization != "" {
		t.Subject.Organization = []string{s.organization}
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	t.DNSNames = s.names
	for _, address := range s.addresses {
		t.IPAddresses = append(t.IPAddresses, net.IP(address.AsSlice()))
	}
	raw, err := x509.CreateCertificate(rand.Reader, t, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	if err := writePEM(path+".crt", "CERTIFICATE", raw, 0o644); err != nil {
		return err
	}
	return writeKey(path+".key", key)
}

func certificate(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-5 * time.Minute),
		NotAfter:     now.AddDate(1, 0, 0),
	}, err
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
