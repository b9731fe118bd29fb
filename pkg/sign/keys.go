package sign

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const (
	maxKeySize         = 64 << 10
	maxTrustedRootSize = 4 << 20
)

// GenerateKeyPair makes a key pair as `cosign generate-key-pair` does: an ECDSA
// P-256 private key encrypted with the password, and its public key, both PEM.
func GenerateKeyPair(password []byte) (private, public []byte, err error) {
	pair, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return password, nil })
	if err != nil {
		return nil, nil, fmt.Errorf("generating a key pair: %w", err)
	}
	return pair.PrivateBytes, pair.PublicBytes, nil
}

func loadPrivateKey(file string, password []byte) (signature.SignerVerifier, error) {
	text, err := readFile(file, maxKeySize)
	if err != nil {
		return nil, pipeline.BadInput("sign/key-file", "reading the private key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || (block.Type != cosign.CosignPrivateKeyPemType && block.Type != cosign.SigstorePrivateKeyPemType) {
		return nil, pipeline.BadInput("sign/key-file",
			"reading the private key %q: it is not an encrypted cosign key; make one with `cosign generate-key-pair`, or convert one with `cosign import-key-pair`", file)
	}
	key, err := cosign.LoadPrivateKey(text, password, nil)
	if err != nil {
		return nil, pipeline.BadInput("sign/key-password",
			"opening the private key %q: %w; give its password in COSIGN_PASSWORD", file, bounded{err})
	}
	return key, nil
}

func loadPublicKey(file string) (signature.Verifier, error) {
	text, err := readFile(file, maxKeySize)
	if err != nil {
		return nil, pipeline.BadInput("sign/key-file", "reading the public key: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil && strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, pipeline.BadInput("sign/key-file",
			"reading the public key %q: it is a private key; give the public one (cosign.pub)", file)
	}
	public, err := cryptoutils.UnmarshalPEMToPublicKey(text)
	if err != nil {
		return nil, pipeline.BadInput("sign/key-file", "reading the public key %q: %w", file, bounded{err})
	}
	// As for private keys: cosign signs with the pre-hashed form of Ed25519.
	verifier, err := signature.LoadDefaultVerifier(public, *cosign.GetDefaultLoadOptions(nil)...)
	if err != nil {
		return nil, pipeline.BadInput("sign/key-file", "reading the public key %q: %w", file, bounded{err})
	}
	return verifier, nil
}

// identityOf names a key: "key sha256:…" of the public key's DER form.
func identityOf(key interface {
	PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error)
}) (string, error) {
	public, err := key.PublicKey()
	if err != nil {
		return "", fmt.Errorf("taking the public key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("taking the fingerprint of the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return "key sha256:" + hex.EncodeToString(sum[:]), nil
}

func readFile(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("reading %q: it is larger than %d bytes", name, limit)
	}
	return text, err
}
