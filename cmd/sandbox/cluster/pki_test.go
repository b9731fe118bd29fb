package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func testNode(t *testing.T, index int) Node {
	t.Helper()
	return Node{Name: "test", Dir: t.TempDir(), Bin: "/opt/programs", Index: index}
}

func TestEveryCertificateIsOfTheSandboxsAuthority(t *testing.T) {
	node := testNode(t, 7)
	require.NoError(t, node.makePKI())
	ca, err := os.ReadFile(node.Path("pki", "ca.crt"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))

	serials := map[string]string{}
	for _, s := range node.subjects() {
		t.Run(s.file, func(t *testing.T) {
			pair, err := tls.LoadX509KeyPair(node.Path("pki", s.file+".crt"), node.Path("pki", s.file+".key"))
			require.NoError(t, err)
			_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			require.NoError(t, err)
			require.Equal(t, s.name, pair.Leaf.Subject.CommonName)
			for _, address := range s.addresses {
				require.NoError(t, pair.Leaf.VerifyHostname(address.String()))
			}
			require.Empty(t, serials[pair.Leaf.SerialNumber.String()])
			serials[pair.Leaf.SerialNumber.String()] = s.file

			info, err := os.Stat(node.Path("pki", s.file+".key"))
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		})
	}
}

func TestWhoIsWhoInTheCluster(t *testing.T) {
	node := testNode(t, 0)
	groups := map[string]string{}
	for _, s := range node.subjects() {
		groups[s.name] = s.organization
	}
	require.Equal(t, "system:masters", groups["sandbox-admin"])
	require.Equal(t, "system:nodes", groups["system:node:sandbox-test"])
	require.Empty(t, groups["system:kube-scheduler"])
	require.Contains(t, groups, "system:kube-proxy")
}

func TestTheBundleEndsWithTheAuthority(t *testing.T) {
	node := testNode(t, 0)
	require.NoError(t, node.makePKI())
	bundle, err := os.ReadFile(node.Path("ca-bundle.crt"))
	require.NoError(t, err)
	ca, err := os.ReadFile(node.Path("pki", "ca.crt"))
	require.NoError(t, err)
	var last []byte
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		last = pem.EncodeToMemory(block)
	}
	require.Equal(t, string(ca), string(last))
}
