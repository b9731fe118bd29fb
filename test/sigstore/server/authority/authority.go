// Package authority is Fulcio: its own server code, with a CA that lives as long as
// the process, behind the HTTP interface that clients use.
package authority

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	ctclient "github.com/google/certificate-transparency-go/client"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/sigstore/fulcio/pkg/ca"
	"github.com/sigstore/fulcio/pkg/config"
	"github.com/sigstore/fulcio/pkg/generated/protobuf"
	"github.com/sigstore/fulcio/pkg/generated/protobuf/legacy"
	"github.com/sigstore/fulcio/pkg/server"
	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

//go:embed identity.yaml
var identities string

// maxRequest is the number of bytes that Fulcio's own program takes.
const maxRequest = 4 << 20

// Handler is the server for certificates of the CA, for jobs that the OIDC issuer
// vouches for; the issuer must be running. Certificates are logged, and carry the
// log's promise, unless log is nil.
func Handler(ctx context.Context, authority ca.CertificateAuthority, issuer string, log *ctclient.LogClient) (http.Handler, error) {
	identity, err := config.Read([]byte(strings.ReplaceAll(identities, "ISSUER", issuer)))
	if err != nil {
		return nil, fmt.Errorf("reading Fulcio's configuration: %w", err)
	}
	// Fulcio only logs that it could not reach an issuer, and refuses all tokens then.
	if _, found := identity.GetVerifier(issuer); !found {
		return nil, fmt.Errorf("asking issuer %q for its keys: no answer that Fulcio takes", issuer)
	}
	algorithms, err := signature.NewAlgorithmRegistryConfig([]common.PublicKeyDetails{
		common.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256, common.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384, common.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512,
		common.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256, common.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256, common.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256,
		common.PublicKeyDetails_PKIX_ED25519,
	})
	if err != nil {
		return nil, fmt.Errorf("choosing algorithms: %w", err)
	}
	current := server.NewGRPCCAServer(log, authority, algorithms, server.NewIssuerPool(identity))
	routes := runtime.NewServeMux(runtime.WithMetadata(bearer), runtime.WithForwardResponseOption(status))
	err = errors.Join(protobuf.RegisterCAHandlerServer(ctx, routes, current), legacy.RegisterCAHandlerServer(ctx, routes, server.NewLegacyGRPCCAServer(current)))
	if err != nil {
		return nil, fmt.Errorf("routing requests to Fulcio: %w", err)
	}
	return http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routes.ServeHTTP(w, r.WithContext(config.With(r.Context(), identity)))
	}), maxRequest), nil
}

// bearer hands the token of a request to the server.
func bearer(_ context.Context, r *http.Request) metadata.MD {
	return metadata.Pairs(server.MetadataOIDCTokenKey, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
}

// status gives the answer the status, and the promise of a detached log entry, that
// clients of the legacy interface read.
func status(ctx context.Context, w http.ResponseWriter, _ proto.Message) error {
	answer, _ := runtime.ServerMetadataFromContext(ctx)
	for name := range w.Header() {
		if strings.HasPrefix(name, runtime.MetadataHeaderPrefix) {
			w.Header().Del(name)
		}
	}
	if promise := answer.HeaderMD.Get(server.SCTMetadataKey); len(promise) > 0 {
		w.Header().Set("SCT", promise[0])
	}
	if code := answer.HeaderMD.Get(server.HTTPResponseCodeMetadataKey); len(code) > 0 {
		number, err := strconv.Atoi(code[0])
		if err != nil {
			return fmt.Errorf("reading status: %w", err)
		}
		w.WriteHeader(number)
	}
	return nil
}
