// Package stamps is Sigstore's timestamp authority, with a key in memory.
package stamps

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

// Path is where timestamps are asked for.
const Path = "/api/v1/timestamp"

const (
	timeout    = 30 * time.Second
	maxRequest = 1 << 20 // bytes
	// policy is Sigstore's, as of the authority's program.
	policy = "1.3.6.1.4.1.57264.2"
)

// New makes the server, and its chain from the certificate that signs to the root.
// The authority keeps its settings and its key in variables of its packages: there
// is one to a process.
func New() (http.Handler, []*x509.Certificate, error) {
	for name, value := range map[string]any{
		"timestamp-signer": "memory", "timestamp-signer-hash": "sha256", "default-policy-oid": policy, "accepted-policy-oids": []string{policy},
		"max-request-body-size": maxRequest,
	} {
		viper.Set(name, value)
	}
	handler := server.NewRestAPIServer("127.0.0.1", 0, []string{"http"}, false, timeout, timeout).GetHandler()
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, Path+"/certchain", nil))
	chain, err := cryptoutils.UnmarshalCertificatesFromPEM(answer.Body.Bytes())
	if err != nil || len(chain) < 2 {
		return nil, nil, fmt.Errorf("reading chain of the timestamp authority (status %d, %d certificates): %w", answer.Code, len(chain), err)
	}
	return handler, chain, nil
}
