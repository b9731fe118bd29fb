// Package cluster runs one Kubernetes node in namespaces of its own: start,
// stop, state. The host sees one veth interface, one state directory and one
// cgroup; everything else lives and dies with the node's first process.
package cluster

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"

	"k8s.io/component-base/version"
)

// KubernetesVersion is the version of the components, as the build told the linker.
func KubernetesVersion() string { return version.Get().GitVersion }

const registryPort = 5000

var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$`)

// CheckName says what a sandbox's name may look like.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("name %q: allowed are up to 20 lower-case letters, digits and hyphens, not at the ends", name)
	}
	return nil
}

// Node is what is fixed about a sandbox when it is first started; kept as
// node.json in its directory.
type Node struct {
	Name string `json:"name"`
	Dir  string `json:"dir"`
	// Bin is the directory of containerd, runc and the CNI plugins.
	Bin string `json:"bin"`
	// Index is the number of the sandbox's address block, see the methods.
	Index int `json:"index"`
	// AddOns are those that it was made with.
	AddOns []string `json:"addOns"`
}

// Each sandbox has a block of each of three private networks, chosen by its
// index: between host and node, of the pods, of the Services.

// HostIP is the host's end of the veth.
func (n Node) HostIP() netip.Addr { return netip.AddrFrom4([4]byte{10, 213, byte(n.Index), 1}) }

// IP is the node's address.
func (n Node) IP() netip.Addr { return netip.AddrFrom4([4]byte{10, 213, byte(n.Index), 2}) }

// Link is the network between host and node.
func (n Node) Link() netip.Prefix { return netip.PrefixFrom(n.HostIP(), 30) }

// Pods is the network of the pods.
func (n Node) Pods() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 214, byte(n.Index), 0}), 24)
}

// Services is the network of the Services.
func (n Node) Services() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 215, byte(n.Index), 0}), 24)
}

// APIService is the address of the Service kubernetes.
func (n Node) APIService() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 215, byte(n.Index), 1})
}

// DNSService is the address of the Service kube-dns.
func (n Node) DNSService() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 215, byte(n.Index), 10})
}

// IngressService is the address of the ingress controller, with the add-on ingress.
func (n Node) IngressService() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 215, byte(n.Index), 20})
}

// HostLink is the host's end of the veth. The name follows from the directory, not
// from the index: another sandbox may have the index of one that was killed.
func (n Node) HostLink() string {
	sum := sha256.Sum256([]byte(n.Dir))
	return fmt.Sprintf("sc-%x", sum[:4])
}

// NodeLink is the node's end of the veth.
func (n Node) NodeLink() string { return "host" }

// Cgroup is the path below each hierarchy that holds the pods.
func (n Node) Cgroup() string { return "/stagecrew-sandbox-" + n.Name }

// Registry is HOST:PORT of the registry, the same from host, node and pods.
func (n Node) Registry() string { return fmt.Sprintf("%s:%d", n.IP(), registryPort) }

// Server is the URL of the API server.
func (n Node) Server() string { return fmt.Sprintf("https://%s:6443", n.IP()) }

// Hostname is the node's name, also in Kubernetes.
func (n Node) Hostname() string { return "sandbox-" + n.Name }

// AuditLog is the file in which the API server notes the requests of users.
func (n Node) AuditLog() string { return n.Path("logs/audit.log") }

// RegistryHosts is where the directory HOST with a hosts.toml tells containerd, from
// the next pull on, who answers for images of that host; _default is the sandbox's
// registry.
func (n Node) RegistryHosts() string { return n.Path("etc/certs.d") }

// Path gives a path below the sandbox's directory.
func (n Node) Path(parts ...string) string {
	return filepath.Join(append([]string{n.Dir}, parts...)...)
}
