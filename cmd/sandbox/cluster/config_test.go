package cluster

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
	proxyconfig "k8s.io/kube-proxy/config/v1alpha1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"
)

func TestConfigurationIsReadAsMeant(t *testing.T) {
	node := testNode(t, 5)
	require.NoError(t, node.writeFiles())
	read := func(path string) []byte {
		content, err := os.ReadFile(node.Path(path))
		require.NoError(t, err)
		return content
	}

	var kubelet kubeletconfig.KubeletConfiguration
	require.NoError(t, yaml.UnmarshalStrict(read("etc/kubelet.yaml"), &kubelet))
	require.Equal(t, []string{"10.215.5.10"}, kubelet.ClusterDNS)
	require.Equal(t, "/stagecrew-sandbox-test", kubelet.CgroupRoot)
	require.False(t, *kubelet.Authentication.Anonymous.Enabled)

	var proxy proxyconfig.KubeProxyConfiguration
	require.NoError(t, yaml.UnmarshalStrict(read("etc/proxy.yaml"), &proxy))
	require.Equal(t, "10.214.5.0/24", proxy.ClusterCIDR)

	var cni struct {
		Plugins []struct {
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	require.NoError(t, json.Unmarshal(read("etc/cni/10-bridge.conflist"), &cni))
	require.Equal(t, "10.214.5.0/24", cni.Plugins[0].IPAM.Ranges[0][0].Subnet)

	require.Contains(t, string(read("etc/containerd.toml")), "\nroot = \""+node.Path("containerd")+"\"\n")
	require.Contains(t, string(read("etc/certs.d/_default/hosts.toml")), "\nserver = \"https://10.213.5.2:5000\"\n", "no name is asked of the internet")

	var audit struct{ Rules []struct{ Level string } }
	require.NoError(t, yaml.Unmarshal(read("etc/audit.yaml"), &audit))
	require.Equal(t, "Metadata", audit.Rules[len(audit.Rules)-1].Level, "what is not the cluster's own is noted")

	var registry struct {
		HTTP struct{ Addr string }
	}
	require.NoError(t, yaml.Unmarshal(read("etc/registry.yaml"), &registry))
	require.Equal(t, node.Registry(), registry.HTTP.Addr)
}

func TestKubeconfigsCanBeCarriedElsewhere(t *testing.T) {
	node := testNode(t, 2)
	require.NoError(t, os.MkdirAll(node.Path("kubeconfig"), 0o755))
	require.ErrorContains(t, node.writeKubeconfigs(), "reading the certificates of admin", "before there are any")
	require.NoError(t, node.makePKI())
	require.NoError(t, node.writeKubeconfigs())

	config, err := clientcmd.BuildConfigFromFlags("", node.Kubeconfig())
	require.NoError(t, err)
	require.Equal(t, "https://10.213.2.2:6443", config.Host)
	require.False(t, config.Insecure)
	require.NotEmpty(t, config.CAData)
	require.NotEmpty(t, config.CertData)
	info, err := os.Stat(node.Kubeconfig())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}
