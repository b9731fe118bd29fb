package registry

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// What stands between us and a registry, and answers in its place or lets it say what is
// not so: proxies, login pages, those who end the encryption.

// inTheOpen is the error of a request without encryption. A registry behind a proxy that
// ends the encryption gives addresses that begin with http:// unless it is told
// (distribution/distribution#479, #996): that it shall be asked without is no remedy.
func (t *Transport) inTheOpen(address *url.URL) error {
	_, speaks := t.encrypted.Load(address.Host)
	if !speaks && address.Port() == "" {
		_, speaks = t.encrypted.Load(address.Hostname()) // on whatever port: the address has none
	}
	if speaks {
		return fmt.Errorf("the registry %s speaks https, but names an address without encryption to go on with, http://%s%s: have it told how it is reached (X-Forwarded-Proto in the proxy before it, or its own setting of its address)", address.Hostname(), address.Host, text.Cut(address.EscapedPath(), maxPath))
	}
	return fmt.Errorf("the registry %s is asked without encryption, and credentials would go there in clear text: let it speak https, or give --insecure-registry %s", address.Host, address.Host)
}

const maxPath = 100

// isWebPage reports whether a page for people came in place of JSON, as from a portal that
// wants a login first, with the status of an answer that is good. Layers are anything.
func isWebPage(request *http.Request, response *http.Response) bool {
	if request.Method != http.MethodGet || response.StatusCode != http.StatusOK || ForBlob(request) || request.URL.Path == base {
		return false
	}
	const enough = 64
	head := bufio.NewReaderSize(response.Body, enough)
	begin, _ := head.Peek(enough) // whoever reads it meets the error
	response.Body = struct {
		io.Reader
		io.Closer
	}{head, response.Body}
	return bytes.HasPrefix(bytes.TrimSpace(text.Unmarked(begin)), []byte("<"))
}

// refusedBy is what a proxy answered that was asked for the way to a registry.
type refusedBy struct {
	proxy  string // HOST:PORT
	status int
}

func (r refusedBy) Error() string {
	return fmt.Sprintf("the proxy %s answered %d %s", r.proxy, r.status, http.StatusText(r.status))
}

// throughProxy keeps who it was that refused: the library's error has the words of the
// status only, such as "Proxy Authentication Required".
func throughProxy(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
	refused := refusedBy{proxy.Host, answer.StatusCode}
	switch {
	case answer.StatusCode == http.StatusOK:
		return nil
	case Temporary[answer.StatusCode]:
		return refused
	}
	return final{refused}
}

const aboutProxyLogin = "; the proxy wants a login: give it in HTTPS_PROXY (or HTTP_PROXY), as http://USER:PASSWORD@HOST:PORT, or name the registry in NO_PROXY"

// aboutProxy is what can be done about a proxy, "" where none is the cause.
func aboutProxy(err error) string {
	var refused refusedBy
	var connecting *net.OpError
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusProxyAuthRequired:
		return aboutProxyLogin
	case errors.As(err, &refused) && Temporary[refused.status]:
		return "; the proxy does not reach it: check the address, or name the registry in NO_PROXY"
	case errors.As(err, &refused):
		return "; have the proxy let this registry through, or name the registry in NO_PROXY"
	case errors.As(err, &connecting) && strings.HasPrefix(connecting.Op, "proxyconnect"):
		return "; the proxy of HTTPS_PROXY (or HTTP_PROXY) does not answer: check its address, or name the registry in NO_PROXY"
	}
	return ""
}

// aboutCertificate is what can be done about one that does not hold: an authority that is
// trusted helps with neither its time nor its name (moby/moby#28911, caprover/caprover#1693,
// distribution/distribution#1298).
func aboutCertificate(err error) string {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "; have its certificate renewed (a registry that has not started since may still show the old one), or set this machine's clock"
	case errors.As(err, &invalid):
		return "; have another certificate made for it"
	case is[x509.HostnameError](err):
		return "; its certificate is for other names: take one of them, or have this one added"
	}
	return "; its certificate is not trusted here: add its authority to the system's, or name a file of them in SSL_CERT_FILE"
}
