package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// A registry behind a proxy that ends the encryption goes on with http:// when nobody tells
// it better: distribution/distribution#479, #996. To ask it without encryption would not
// help.
func TestARegistryThatDoesNotKnowThatItSpeaksHTTPS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	c := client(TransportOptions{})
	c.Transport.(*Transport).next.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	require.NoError(t, get(t, c, server.URL+"/v2/"))
	err := get(t, c, "http://127.0.0.1/v2/team/app/blobs/uploads/1")
	require.ErrorContains(t, err, "X-Forwarded-Proto")
	require.ErrorContains(t, err, "speaks https, but names an address without encryption to go on with, http://127.0.0.1/v2/team/app/blobs/uploads/1")
	require.NotContains(t, err.Error(), "--insecure-registry")
	require.True(t, Final(err))
	err = get(t, c, "http://127.0.0.1:1/v2/")
	require.ErrorContains(t, err, "--insecure-registry", "of another port nobody knows")
}

// A page for people with the status of a good answer: kubegems/kubegems#328, where the
// message was "invalid character '<' looking for beginning of value".
func TestAWebPageIsNoAnswerOfARegistry(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = w.Write([]byte("\ufeff\n <!doctype html><title>Sign in</title>" + strings.Repeat(" ", 1000)))
	}))
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/team/app:1")
	require.NoError(t, err)
	_, err = brisk.Connect().Get(t.Context(), ref)
	err = Wrap(err, "getting %q", ref)
	require.ErrorContains(t, err, "answers with a web page")
	require.ErrorContains(t, err, "login page")
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	require.Equal(t, 2, asked, "the greeting, and one question")

	require.NoError(t, get(t, client(TransportOptions{Insecure: []string{"127.0.0.1"}}), server.URL+"/v2/a/blobs/x"), "a layer may be anything")
}

// What a proxy says is not what the registry says.
func TestAProxyThatDoesNotLetThrough(t *testing.T) {
	status, asked := 0, 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(status)
	}))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	at.User = url.UserPassword("robot", "word")
	c := client(TransportOptions{})
	c.Transport.(*Transport).next.Proxy = http.ProxyURL(at)
	for _, one := range []struct {
		status int
		want   string
		final  bool
	}{
		{http.StatusProxyAuthRequired, "wants a login: give it in HTTPS_PROXY", true},
		{http.StatusForbidden, "have the proxy let this registry through", true},
		{http.StatusBadGateway, "the proxy does not reach it", false},
	} {
		status, asked = one.status, 0
		err := get(t, c, "https://registry.example.com/v2/")
		require.ErrorContains(t, err, "the proxy "+at.Host+" answered")
		require.Contains(t, Advice(err), one.want)
		require.Equal(t, one.final, Final(err))
		require.NotEqual(t, one.final, isTemporary(err))
		require.NotContains(t, err.Error(), "word")
	}
	proxy.Close()
	err = get(t, c, "https://registry.example.com/v2/")
	require.Contains(t, Advice(err), "the proxy of HTTPS_PROXY (or HTTP_PROXY) does not answer")
}

// certified serves with a certificate of a name and an end, and gives what trusts its maker.
func certified(t *testing.T, host string, until time.Time) (address string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until, DNSNames: []string{host},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	return server.Listener.Addr().String(), roots
}

// That a certificate is over, or for another name, is not mended by trusting its authority:
// moby/moby#28911, caprover/caprover#1693, distribution/distribution#1298,
// docker/desktop-linux#207.
func TestWhatIsWrongWithACertificateDecidesWhatToDo(t *testing.T) {
	const host = "registry.example.com"
	for name, c := range map[string]struct {
		of      string
		until   time.Time
		trusted bool
		want    string
	}{
		"over":         {host, time.Now().Add(-time.Minute), true, "have its certificate renewed"},
		"another name": {"other.example.com", time.Now().Add(time.Hour), true, "its certificate is for other names"},
		"nobody's":     {host, time.Now().Add(time.Hour), false, "add its authority to the system's"},
	} {
		t.Run(name, func(t *testing.T) {
			address, roots := certified(t, c.of, c.until)
			if !c.trusted {
				roots = x509.NewCertPool()
			}
			all := client(TransportOptions{})
			base := all.Transport.(*Transport).next
			base.Proxy = nil
			base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}
			err := get(t, all, "https://"+host+"/v2/")
			require.Error(t, err)
			require.Contains(t, Advice(err), c.want)
		})
	}
}

// A clean-up of untagged versions takes the images from under their index:
// doobidoo/mcp-memory-service#1044, snok/container-retention-policy#97,
// vlaurin/action-ghcr-prune#76, chizkiyahu/delete-untagged-ghcr-action#45.
func TestAnIndexWhoseImagesAreGone(t *testing.T) {
	host := registrytest.Serve(t, nil)
	ref, err := name.NewTag(host + "/team/app:x")
	require.NoError(t, err)
	linux := func(architecture string) *v1.Platform { return &v1.Platform{OS: "linux", Architecture: architecture} }
	amd, arm := one(t, "amd64", ""), one(t, "arm64", "")
	require.NoError(t, remote.WriteIndex(ref, indexOf(in(amd, linux("amd64")), in(arm, linux("arm64")))))
	remove := func(image v1.Image) name.Digest {
		digest, err := image.Digest()
		require.NoError(t, err)
		at := ref.Context().Digest(digest.String())
		require.NoError(t, remote.Delete(at))
		return at
	}
	access := Access{Insecure: []string{"127.0.0.1"}}
	client := access.Connect()
	descriptor, err := client.Get(t.Context(), ref)
	require.NoError(t, err)

	gone := remove(arm)
	_, err = client.ImageFor(t.Context(), ref.Context(), descriptor, linux("arm64"))
	err = Wrap(err, "getting it")
	require.ErrorContains(t, err, gone.DigestStr()+", which the registry does not have any more")
	require.ErrorContains(t, err, "build the image anew [build/image-not-found]")
	require.NotContains(t, err.Error(), "check the spelling")
	require.Equal(t, record.KindInput, record.KindOf(err))
	has, err := access.Platforms(t.Context(), ref.String(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"linux/amd64"}, has)

	remove(amd)
	_, err = access.Platforms(t.Context(), ref.String(), nil)
	require.ErrorContains(t, err, "which the registry does not have any more")
	require.Equal(t, record.KindRefused, record.KindOf(err))
}
