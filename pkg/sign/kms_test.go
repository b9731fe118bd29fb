package sign

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/kms/fake"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestAKeyInAKMSSignsAndVerifies(t *testing.T) {
	host, _ := serve(t)
	image := pushImage(t, host)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := cryptoutils.MarshalPublicKeyToPEM(key.Public())
	require.NoError(t, err)
	ctx := context.WithValue(t.Context(), fake.KmsCtxKey{}, key)

	done, err := Sign(ctx, SignOptions{Registry: brisk, Image: image, Key: fake.ReferenceScheme + "release"})
	require.NoError(t, err)
	require.Equal(t, 2, done.Stored)
	for name, o := range map[string]VerifyOptions{
		"by the key in the KMS": {Registry: brisk, Image: image, Key: fake.ReferenceScheme + "release"},
		"by its public key":     {Registry: brisk, Image: image, KeyPEM: public},
	} {
		verified, err := Verify(ctx, o)
		require.NoError(t, err, name)
		require.Equal(t, done.Identity, verified.Identity(), name)
	}
}

func TestAKMSThatDoesNotAnswerCannotTell(t *testing.T) {
	for _, uri := range []string{"hashivault://release", "azurekms://nowhere.invalid", "awskms://no/alias"} {
		_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: anImage, Key: uri})
		require.ErrorContains(t, err, "[sign/key-unavailable]", uri)
		require.Equal(t, record.KindUnavailable, record.KindOf(err), uri)
		require.True(t, inKMS(uri), "all providers are built in")
	}
	require.False(t, inKMS("cosign.key"))
}
