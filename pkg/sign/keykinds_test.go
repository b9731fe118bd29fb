package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// TestKeysOfEveryKindSignAndVerify: those that `cosign import-key-pair` takes, in both
// formats, each with the hash that its kind has (sigstore/cosign#5091, #5092: a P-384 key
// with SHA-256 gave signatures that nobody could verify).
func TestKeysOfEveryKindSignAndVerify(t *testing.T) {
	t.Parallel()
	host, _ := serve(t)
	curve := func(c elliptic.Curve) crypto.Signer { return made(ecdsa.GenerateKey(c, rand.Reader))(t) }
	for name, c := range map[string]struct {
		key  crypto.Signer
		good func(public crypto.PublicKey, payload, signature []byte) bool
	}{
		"P-384": {curve(elliptic.P384()), func(public crypto.PublicKey, payload, signature []byte) bool {
			sum := sha512.Sum384(payload)
			return ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), sum[:], signature)
		}},
		"P-521": {curve(elliptic.P521()), func(public crypto.PublicKey, payload, signature []byte) bool {
			sum := sha512.Sum512(payload)
			return ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), sum[:], signature)
		}},
		"RSA": {made(rsa.GenerateKey(rand.Reader, 2048))(t), func(public crypto.PublicKey, payload, signature []byte) bool {
			sum := sha256.Sum256(payload)
			return rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, sum[:], signature) == nil
		}},
		"Ed25519": {ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := imported(t, c.key)
			for _, format := range []record.SignatureFormat{record.SignatureLegacy, record.SignatureBundle} {
				image := pushImage(t, host)
				_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: format, Attestations: []Attestation{claim(1)}})
				require.NoError(t, err)
				_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{Attestations: []string{claim(1).Type}}})
				require.NoError(t, err)
				if format != record.SignatureLegacy || c.good == nil {
					continue
				}
				payload, signature := firstSignature(t, image)
				require.True(t, c.good(c.key.Public(), payload, signature))
			}
		})
	}
}

func made[K crypto.Signer](key K, err error) func(*testing.T) crypto.Signer {
	return func(t *testing.T) crypto.Signer { t.Helper(); require.NoError(t, err); return key }
}

// imported are the files that `cosign import-key-pair` makes of a key.
func imported(t *testing.T, key crypto.Signer) pair {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	k := pair{private: filepath.Join(dir, "cosign.key"), public: filepath.Join(dir, "cosign.pub")}
	require.NoError(t, os.WriteFile(k.private, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	text, err := cosign.ImportKeyPair(k.private, func(bool) ([]byte, error) { return []byte(password), nil })
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(k.private, text.PrivateBytes, 0o600))
	require.NoError(t, os.WriteFile(k.public, text.PublicBytes, 0o600))
	return k
}

// firstSignature is what the legacy tag of an image holds: what was signed, and how.
func firstSignature(t *testing.T, image record.Image) (payload, signature []byte) {
	t.Helper()
	beside := stored(t, tagOf(image))
	manifest, err := beside.Manifest()
	require.NoError(t, err)
	signature, err = base64.StdEncoding.DecodeString(manifest.Layers[0].Annotations["dev.cosignproject.cosign/signature"])
	require.NoError(t, err)
	layers, err := beside.Layers()
	require.NoError(t, err)
	content, err := layers[0].Compressed()
	require.NoError(t, err)
	payload, err = io.ReadAll(content)
	require.NoError(t, err)
	return payload, signature
}
