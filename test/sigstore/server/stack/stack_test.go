package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/sigstore/server/issuer"
	"github.com/stagecrew/stagecrew/test/sigstore/server/outage"
	"github.com/stagecrew/stagecrew/test/sigstore/server/rekor"
	"github.com/stagecrew/stagecrew/test/sigstore/server/stamps"
)

func TestMain(m *testing.M) {
	rekor.ServeIfAsked()
	os.Exit(m.Run())
}

var artifact = []byte("the bytes that are signed")

func start(t *testing.T, options Options) *Stack {
	options.Dir = t.TempDir()
	s, err := Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

// token is what the issuer gives a job.
func token(t *testing.T, from *issuer.Issuer, parameters string) string {
	request := httptest.NewRequest(http.MethodGet, from.RequestURL()+"&audience=sigstore"+parameters, nil)
	request.Header.Set("Authorization", "bearer "+from.Bearer)
	response := httptest.NewRecorder()
	from.ServeHTTP(response, request)
	require.Equal(t, http.StatusOK, response.Code)
	var answer struct{ Value string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	return answer.Value
}

// signed makes a bundle as a client does that reads the stack's files.
func signed(t *testing.T, s *Stack, content sign.Content, token string) (*bundle.Bundle, error) {
	key, err := sign.NewEphemeralKeypair(nil)
	require.NoError(t, err)
	options := sign.BundleOptions{
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: s.URLs["fulcio"], Timeout: timeout, Retries: 3}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
		TimestampAuthorities:       []*sign.TimestampAuthority{sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: s.URLs["stamps"] + stamps.Path, Timeout: timeout, Retries: 3})},
		Context:                    t.Context(),
	}
	if s.rekor != nil {
		options.TransparencyLogs = []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: s.URLs["rekor"], Timeout: timeout, Retries: 3, Version: 2})}
	}
	made, err := sign.Bundle(content, key, options)
	if err != nil {
		return nil, err
	}
	b, err := bundle.NewBundle(made)
	require.NoError(t, err)
	return b, nil
}

// verified wants proof of all that the stack has.
func verified(t *testing.T, s *Stack, b *bundle.Bundle, artifact []byte, identity string) (*verify.VerificationResult, error) {
	trusted, err := root.NewTrustedRootFromPath(s.path(trustedRoot))
	require.NoError(t, err)
	conditions := []verify.VerifierOption{verify.WithSignedTimestamps(1)}
	if !s.options.WithoutRekor {
		conditions = append(conditions, verify.WithTransparencyLog(1))
	}
	if !s.options.WithoutCTLog {
		conditions = append(conditions, verify.WithSignedCertificateTimestamps(1))
	}
	verifier, err := verify.NewVerifier(trusted, conditions...)
	require.NoError(t, err)
	want, err := verify.NewShortCertificateIdentity(s.Issuer.URL, "", identity, "")
	require.NoError(t, err)
	about := verify.WithoutArtifactUnsafe()
	if artifact != nil {
		about = verify.WithArtifact(bytes.NewReader(artifact))
	}
	return verifier.Verify(b, verify.NewPolicy(about, verify.WithCertificateIdentity(want)))
}

func TestKeylessSignaturesAreVerifiedWithTheTrustedRoot(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
	}{
		{"the whole stack", Options{}},
		{"timestamps alone", Options{WithoutRekor: true}},
		{"certificates without a promise", Options{WithoutCTLog: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.options)
			b, err := signed(t, s, &sign.PlainData{Data: artifact}, token(t, s.Issuer, ""))
			require.NoError(t, err)
			result, err := verified(t, s, b, artifact, issuer.Identity())
			require.NoError(t, err)

			certificate := result.Signature.Certificate
			require.Equal(t, "https://github.com/acme/backstage", certificate.SourceRepositoryURI)
			require.Equal(t, "https://github.com/acme/backstage/actions/runs/42/attempts/1", certificate.RunInvocationURI)
			require.Equal(t, "github-hosted", certificate.RunnerEnvironment)
			require.Equal(t, "release", certificate.BuildTrigger)

			_, err = verified(t, s, b, []byte("other bytes"), issuer.Identity())
			require.Error(t, err)
			_, err = verified(t, s, b, artifact, "https://github.com/else/fork/.github/workflows/release.yml@refs/tags/v1.2.3")
			require.Error(t, err)

			attested, err := signed(t, s, &sign.DSSEData{Data: []byte(`{"_type":"https://in-toto.io/Statement/v1"}`), PayloadType: "application/vnd.in-toto+json"}, token(t, s.Issuer, ""))
			require.NoError(t, err)
			_, err = verified(t, s, attested, nil, issuer.Identity())
			require.NoError(t, err)
		})
	}
}

func TestTheServersRefuse(t *testing.T) {
	s := start(t, Options{})
	stranger, err := issuer.New(s.Issuer.URL)
	require.NoError(t, err)
	for name, token := range map[string]string{
		"no token":                        "",
		"a token that another key signed": token(t, stranger, ""),
	} {
		_, err := signed(t, s, &sign.PlainData{Data: artifact}, token)
		require.Error(t, err, name)
	}
	fork, err := signed(t, s, &sign.PlainData{Data: artifact}, token(t, s.Issuer, "&repository=else/fork"))
	require.NoError(t, err)
	_, err = verified(t, s, fork, artifact, issuer.Identity())
	require.ErrorContains(t, err, "else/fork", "another workflow's certificate is another identity's")
}

func TestACertificateWithoutAPromiseIsRefusedWhereOneIsWanted(t *testing.T) {
	s := start(t, Options{WithoutCTLog: true})
	b, err := signed(t, s, &sign.PlainData{Data: artifact}, token(t, s.Issuer, ""))
	require.NoError(t, err)
	s.options.WithoutCTLog = false
	_, err = verified(t, s, b, artifact, issuer.Identity())
	require.ErrorContains(t, err, "SCT")
}

func TestAnOutageIsRiddenOut(t *testing.T) {
	s := start(t, Options{})
	require.NoError(t, s.Gates["fulcio"].Fail(outage.Unavailable, 1, 0))
	require.NoError(t, s.Gates["stamps"].Fail(outage.Unavailable, 1, 0))
	b, err := signed(t, s, &sign.PlainData{Data: artifact}, token(t, s.Issuer, ""))
	require.NoError(t, err)
	_, err = verified(t, s, b, artifact, issuer.Identity())
	require.NoError(t, err)
	for _, name := range []string{"fulcio", "stamps"} {
		requests, failed := s.Gates[name].Count()
		require.Equal(t, []int{2, 1}, []int{requests, failed}, name)
	}
	require.NoError(t, s.Gates["rekor"].Fail(outage.Reset, 100, time.Minute))
	_, err = signed(t, s, &sign.PlainData{Data: artifact}, token(t, s.Issuer, ""))
	require.Error(t, err, "an outage that lasts is no signature")
}
