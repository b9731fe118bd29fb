package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// certificate is one that holds until a time, as PEM.
func certificate(t *testing.T, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// webToken is a token of a service account that ends at a time.
func webToken(end time.Time) string {
	return "h." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, end.Unix())) + ".s"
}

// Elsewhere a certificate that is over reads "the server has asked for the client to
// provide credentials" (kubernetes/kubernetes#39767, k3s-io/k3s#12220), and a program that
// is missing "exec: executable aws not found" (hashicorp/terraform-provider-kubernetes#2607,
// actions-hub/kubectl#16).
func TestCheckCredentials_WhatIsOverIsSaidBeforeAnyRequest(t *testing.T) {
	now := time.Now()
	old, fresh := certificate(t, now.Add(-48*time.Hour)), certificate(t, now.Add(time.Hour))
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(webToken(now.Add(-time.Minute))+"\n"), 0o600))
	for name, c := range map[string]struct {
		user    api.AuthInfo
		cluster api.Cluster
		want    string
	}{
		"a client certificate that is over":       {api.AuthInfo{ClientCertificateData: old}, api.Cluster{}, `the client certificate of user "u" in the kubeconfig expired at`},
		"one that holds":                          {api.AuthInfo{ClientCertificateData: fresh}, api.Cluster{}, ""},
		"one that holds, before an old authority": {api.AuthInfo{ClientCertificateData: append(append([]byte{}, fresh...), old...)}, api.Cluster{}, ""},
		"a token that is over":                    {api.AuthInfo{Token: webToken(now.Add(-time.Second))}, api.Cluster{}, `the token of user "u"`},
		"a token that holds":                      {api.AuthInfo{Token: webToken(now.Add(time.Hour))}, api.Cluster{}, ""},
		"a token that says nothing":               {api.AuthInfo{Token: "a.b.c"}, api.Cluster{}, ""},
		"a token in a file":                       {api.AuthInfo{TokenFile: file}, api.Cluster{}, `the token of user "u"`},
		"a file that is not there":                {api.AuthInfo{TokenFile: file + "x", ClientCertificate: file + "y"}, api.Cluster{}, ""},
		"no PEM":                                  {api.AuthInfo{ClientCertificateData: []byte("x")}, api.Cluster{}, ""},
		"an authority that is over":               {api.AuthInfo{}, api.Cluster{CertificateAuthorityData: old}, `the certificate authority of cluster "c"`},
		"one that is replaced":                    {api.AuthInfo{}, api.Cluster{CertificateAuthorityData: append(append([]byte{}, old...), fresh...)}, ""},
		"one that nobody asks":                    {api.AuthInfo{}, api.Cluster{CertificateAuthorityData: old, InsecureSkipTLSVerify: true}, ""},
		"a program that is not there":             {api.AuthInfo{Exec: &api.ExecConfig{Command: "no-such-plugin", InstallHint: "install it\n"}}, api.Cluster{}, `come from the program "no-such-plugin", which is not on this machine: install it in an earlier step of this job (install it)`},
		"a program by its path that is not there": {api.AuthInfo{Exec: &api.ExecConfig{Command: "/no/such/plugin"}}, api.Cluster{}, `"/no/such/plugin"`},
		"a program that is there":                 {api.AuthInfo{Exec: &api.ExecConfig{Command: "sh"}}, api.Cluster{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config := &api.Config{
				Contexts: map[string]*api.Context{"x": {AuthInfo: "u", Cluster: "c"}}, AuthInfos: map[string]*api.AuthInfo{"u": &c.user}, Clusters: map[string]*api.Cluster{"c": &c.cluster},
			}
			err := checkCredentials(config, "x", now)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
	require.NoError(t, checkCredentials(&api.Config{}, "", now), "in a pod there is no context")
}

// A secret that is base64 where text is wanted, or the other way round, is an error of the
// YAML parser elsewhere (actions-hub/kubectl#22, WyriHaximus/github-action-helm3#69).
func TestConnect_AKubeconfigThatIsOverOrStillBase64(t *testing.T) {
	path := write(t, "https://127.0.0.1:1")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	encoded := filepath.Join(t.TempDir(), "encoded")
	require.NoError(t, os.WriteFile(encoded, []byte(base64.StdEncoding.EncodeToString(text)+"\n"), 0o600))
	for _, variable := range []string{"", filepath.Join(t.TempDir(), "none") + ":" + encoded} {
		t.Setenv("KUBECONFIG", variable)
		options := Options{Kubeconfig: encoded}
		if variable != "" {
			options.Kubeconfig = ""
		}
		_, err = Connect(options)
		require.ErrorContains(t, err, fmt.Sprintf("the kubeconfig %q is still base64", encoded))
		require.ErrorContains(t, err, "[kube/kubeconfig]")
	}
	t.Setenv("KUBECONFIG", "")

	over := filepath.Join(filepath.Dir(path), "over")
	require.NoError(t, os.WriteFile(over, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
"users":[{"name":"u","user":{"token":"`+webToken(time.Unix(1, 0))+`"}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x"}`), 0o600))
	_, err = Connect(Options{Kubeconfig: over})
	require.ErrorContains(t, err, "expired at 1970-01-01T00:00:01Z")
	require.ErrorContains(t, err, "[kube/expired]")
}

// A pipe would be waited for, deaf to signals: nothing is said of it.
func TestCheckCredentials_APipeIsNotWaitedFor(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "token")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	config := &api.Config{
		Contexts:  map[string]*api.Context{"prod": {Cluster: "c", AuthInfo: "u"}},
		Clusters:  map[string]*api.Cluster{"c": {CertificateAuthority: pipe}},
		AuthInfos: map[string]*api.AuthInfo{"u": {TokenFile: pipe, ClientCertificate: pipe}},
	}
	require.NoError(t, checkCredentials(config, "prod", time.Now()))
}

// `env: KUBECONFIG: ${{ secrets.KUBECONFIG }}` is the usual mistake, and what client-go says
// of it has all of the file in it, its keys too (Azure/k8s-set-context#146,
// ai-dynamo/dynamo#13893).
func TestConnect_TheContentOfAKubeconfigInItsVariableIsNotRepeated(t *testing.T) {
	const key, token = "c2VjcmV0LWtleS0wMTIzNDU2Nzg5", "a-token-that-is-secret"
	lines := "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:1'}\nusers:\n- name: u\n  user:\n    token: " + token + "\n    client-key-data: " + key + "\n"
	flow := `{"kind":"Config","clusters":[{"name":"c"}],"users":[{"name":"u","user":{"token":"` + token + `"}}]}`
	for name, content := range map[string]string{
		"lines": lines, "JSON": flow, "base64": base64.StdEncoding.EncodeToString([]byte(lines)), "base64 of JSON": base64.StdEncoding.EncodeToString([]byte(flow)), "CRLF": strings.ReplaceAll(lines, "\n", "\r\n"),
	} {
		t.Setenv("KUBECONFIG", content)
		_, err := Connect(Options{})
		require.ErrorContains(t, err, "the variable KUBECONFIG has the content of a kubeconfig", name)
		require.ErrorContains(t, err, "[kube/kubeconfig]", name)
		for _, part := range []string{key, token, "clusters", content[:20]} {
			require.NotContains(t, err.Error(), part, name)
		}
	}
	t.Setenv("KUBECONFIG", "/no/such/file:/nor/this")
	_, err := Connect(Options{})
	require.ErrorContains(t, err, "[kube/no-kubeconfig]")
}
