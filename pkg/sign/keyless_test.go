package sign

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestAKeylessSignatureIsVerifiedAgainstItsExactIdentity(t *testing.T) {
	host, _ := serve(t)
	a := newAuthority(t)
	trusted := a.trustedRoot()
	for _, c := range []struct {
		name             string
		how              spoiled
		identity, issuer string
		root             string
		refusal          string // "" when it is good
	}{
		{"the identity that signed", spoiled{}, workflow, issuer, trusted, ""},
		{"another identity", spoiled{}, workflow + "0", issuer, trusted, "no matching CertificateIdentity found"},
		{"an identity that is a part of the one that signed", spoiled{}, "https://github.com/org/repo/", issuer, trusted, "no matching CertificateIdentity found"},
		{"the same identity of another issuer", spoiled{}, workflow, "https://accounts.example.com", trusted, "no matching CertificateIdentity found"},
		{"another authority is trusted", spoiled{}, workflow, issuer, newAuthority(t).trustedRoot(), "not enough verified log entries"},
		{"a certificate that no log has promised", spoiled{noPromise: true}, workflow, issuer, trusted, "only able to verify 0 SCT entries"},
		{"a signature without an entry in the log", spoiled{noLog: true}, workflow, issuer, trusted, "not enough verified log entries"},
		{"a signature with a log entry of the wrong form", spoiled{oddLog: true}, workflow, issuer, trusted, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := pushImage(t, host)
			a.sign(image, c.how)
			verified, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Identity: c.identity, Issuer: c.issuer, TrustedRoot: c.root})
			pattern, patternErr := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, IdentityPattern: regexp.QuoteMeta(c.identity), Issuer: c.issuer, TrustedRoot: c.root})
			require.Equal(t, verified, pattern, "a pattern for exactly this identity says the same")
			require.Equal(t, err == nil, patternErr == nil)
			if c.refusal == "" {
				require.NoError(t, err)
				require.Equal(t, workflow, verified.Identity())
				return
			}
			require.ErrorContains(t, err, c.refusal)
			if c.how == (spoiled{}) && c.root == trusted {
				require.ErrorContains(t, err, "[sign/identity-mismatch]")
				require.ErrorContains(t, err, "is signed by "+workflow)
			} else {
				require.ErrorContains(t, err, "[sign/not-verified]")
			}
			require.Equal(t, record.KindRefused, record.KindOf(err))
			require.Zero(t, verified)
		})
	}
}

func TestAKeySignatureIsNoKeylessOne(t *testing.T) {
	host, _ := serve(t)
	image := pushImage(t, host)
	sign(t, image, ourKeys(t))
	_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Identity: workflow, Issuer: issuer, TrustedRoot: newAuthority(t).trustedRoot()})
	require.ErrorContains(t, err, "[sign/not-verified]")
	require.Equal(t, record.KindRefused, record.KindOf(err))
}
