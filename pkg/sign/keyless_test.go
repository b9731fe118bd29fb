package sign

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
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
		{"another identity", spoiled{}, workflow + "0", issuer, trusted, "none of the expected identities"},
		{"an identity that is a part of the one that signed", spoiled{}, "https://github.com/org/repo/", issuer, trusted, "none of the expected identities"},
		{"the same identity of another issuer", spoiled{}, workflow, "https://accounts.example.com", trusted, "none of the expected identities"},
		{"another authority is trusted", spoiled{}, workflow, issuer, newAuthority(t).trustedRoot(), "public key not found"},
		{"a certificate that no log has promised", spoiled{noPromise: true}, workflow, issuer, trusted, "required embedded SCT"},
		{"a signature without an entry in the log", spoiled{noLog: true}, workflow, issuer, trusted, "offline verification failed"},
		{"a signature with a log entry of the wrong form", spoiled{oddLog: true}, workflow, issuer, trusted, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			image := push(t, host)
			a.sign(image, c.how)
			verified, err := Verify(t.Context(), VerifyOptions{Image: image, Identity: c.identity, Issuer: c.issuer, TrustedRoot: c.root})
			if c.refusal == "" {
				require.NoError(t, err)
				require.Equal(t, workflow, verified.Identity())
				return
			}
			require.ErrorContains(t, err, c.refusal)
			require.ErrorContains(t, err, "[sign/identity-mismatch]")
			require.Equal(t, pipeline.KindRefused, pipeline.KindOf(err))
			require.Zero(t, verified)
		})
	}
}

func TestAKeySignatureIsNoKeylessOne(t *testing.T) {
	host, _ := serve(t)
	image := push(t, host)
	sign(t, image, newKeys(t))
	_, err := Verify(t.Context(), VerifyOptions{Image: image, Identity: workflow, Issuer: issuer, TrustedRoot: newAuthority(t).trustedRoot()})
	require.ErrorContains(t, err, "[sign/identity-mismatch]")
}
