package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms"
	_ "github.com/sigstore/sigstore/pkg/signature/kms/aws"        // keys at awskms://
	_ "github.com/sigstore/sigstore/pkg/signature/kms/azure"      // keys at azurekms://
	_ "github.com/sigstore/sigstore/pkg/signature/kms/gcp"        // keys at gcpkms://
	_ "github.com/sigstore/sigstore/pkg/signature/kms/hashivault" // keys at hashivault://

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	keyPrefix          = "key sha256:"
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

// inKMS reports whether the key is the URI of one in a KMS.
func inKMS(key string) bool {
	return slices.ContainsFunc(kms.SupportedProviders(), func(scheme string) bool { return strings.HasPrefix(key, scheme) })
}

// openKMS connects to the KMS that holds the key; its credentials come from where
// the cloud's own tools take them.
func openKMS(ctx context.Context, uri string) (signature.SignerVerifier, error) {
	key, err := kms.Get(ctx, uri, crypto.SHA256)
	if err == nil {
		_, err = key.PublicKey() // some connect only now
	}
	if err != nil {
		return nil, record.Unavailable("sign/key-unavailable", "opening the key %q: %w", uri, shown(err))
	}
	return key, nil
}

// loadPrivateKey opens a key in a KMS, in a file, or given as text.
func loadPrivateKey(ctx context.Context, key string, text, password []byte) (signature.SignerVerifier, error) {
	if inKMS(key) {
		return openKMS(ctx, key)
	}
	key, text, err := keyText(key, text)
	if err != nil {
		return nil, record.BadInput("sign/key-file", "reading the private key: %w", err)
	}
	if err := ofAnotherProgram("private", key, text); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil && bytes.Contains(text, []byte(pemBegin)) {
		return nil, damagedKey("private", key)
	}
	if block == nil || (block.Type != cosign.CosignPrivateKeyPemType && block.Type != cosign.SigstorePrivateKeyPemType) {
		return nil, record.BadInput("sign/key-file",
			"reading the private key %s: it is not an encrypted cosign key; make one with `cosign generate-key-pair`, or convert one with `cosign import-key-pair`", key)
	}
	private, err := decrypt(text, password)
	if err != nil {
		// A line break at the end comes from how the secret was stored.
		if bare := bytes.TrimRight(password, "\r\n"); len(bare) < len(password) {
			private, err = decrypt(text, bare)
		}
	}
	if err != nil {
		return nil, record.BadInput("sign/key-password",
			"opening the private key %s: %w; give its password in COSIGN_PASSWORD", key, shown(err))
	}
	return private, nil
}

// decrypted are the private keys that this process has opened or could not open, by what
// they were opened with. To open one takes a third of a second of computing, on purpose,
// and a run needs it for its check, its signature and its verdict.
var decrypted sync.Map // of [sha256.Size]byte to func() (signature.SignerVerifier, error)

func decrypt(text, password []byte) (signature.SignerVerifier, error) {
	sum := sha256.Sum256(text)
	with := sha256.Sum256(append(sum[:], password...))
	open := sync.OnceValues(func() (signature.SignerVerifier, error) { return cosign.LoadPrivateKey(text, password, nil) })
	if known, have := decrypted.LoadOrStore(with, open); have {
		if earlier, ok := known.(func() (signature.SignerVerifier, error)); ok {
			return earlier()
		}
	}
	return open()
}

// loadPublicKeys opens a key in a KMS, or all that are in a file or given as text.
func loadPublicKeys(ctx context.Context, key string, text []byte) ([]signature.Verifier, error) {
	if inKMS(key) {
		one, err := openKMS(ctx, key)
		return []signature.Verifier{one}, err
	}
	key, text, err := keyText(key, text)
	if err != nil {
		return nil, record.BadInput("sign/key-file", "reading the public key: %w", err)
	}
	if err := ofAnotherProgram("public", key, text); err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil && bytes.Contains(text, []byte(pemBegin)) {
		return nil, damagedKey("public", key)
	}
	if block == nil {
		_, err := publicKey(text, key)
		return nil, err
	}
	var all []signature.Verifier
	for ; block != nil; block, rest = pem.Decode(rest) {
		one, err := publicKey(pem.EncodeToMemory(block), key)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if bytes.Contains(rest, []byte(pemBegin)) {
		return nil, damagedKey("public", key)
	}
	return all, nil
}

func publicKey(text []byte, from string) (signature.Verifier, error) {
	if block, _ := pem.Decode(text); block != nil && strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, record.BadInput("sign/key-file",
			"reading the public key %s: it is a private key; give the public one (cosign.pub)", from)
	}
	public, err := cryptoutils.UnmarshalPEMToPublicKey(text)
	if err != nil {
		return nil, record.BadInput("sign/key-file", "reading the public key %s: %w", from, shown(err))
	}
	verifier, err := signature.LoadDefaultVerifier(public, loadOptions()...)
	if err != nil {
		return nil, record.BadInput("sign/key-file", "reading the public key %s: %w", from, shown(err))
	}
	return verifier, nil
}

// elsewhere are the URIs of keys that cosign reads and this package does not, with the
// way to them.
var elsewhere = map[string]string{
	"k8s://":    "read it once from the cluster (`kubectl get secret NAME -n NAMESPACE -o jsonpath='{.data.cosign\\.key}' | base64 -d`; cosign.pub is the public one) and keep it as a secret of the workflow: --sign-key env://NAME",
	"gitlab://": "give the variable that `cosign generate-key-pair gitlab://…` has made: --sign-key env://COSIGN_PRIVATE_KEY, --verify-key env://COSIGN_PUBLIC_KEY",
	"github://": "give the secret that `cosign generate-key-pair github://…` has made, in the job's env: --sign-key env://COSIGN_PRIVATE_KEY",
	"pkcs11:":   "keys in hardware are not supported; take a KMS or a file",
	"http://":   "fetch the key once and keep the file with the code: a key that is fetched anew each time is what the server says",
	"https://":  "fetch the key once and keep the file with the code: a key that is fetched anew each time is what the server says",
	"env://":    "the environment is read by the command",
}

// notRead refuses the URI of a key that is nowhere where this package looks.
func notRead(key string) error {
	for scheme, way := range elsewhere {
		if strings.HasPrefix(key, scheme) {
			return fmt.Errorf("%q: keys are not read from there: %s", key, way)
		}
	}
	if strings.Contains(key, "://") {
		return fmt.Errorf("%q: keys are read from a file, from env://NAME, and from %s", key, strings.Join(kms.SupportedProviders(), ", "))
	}
	return nil
}

// keyText is the text of a key and how messages call it.
func keyText(file string, text []byte) (string, []byte, error) {
	if len(text) > 0 {
		return "from the environment", mendPEM(text), nil
	}
	if err := notRead(file); err != nil {
		return "", nil, err
	}
	text, err := files.Read(file, maxKeySize)
	return strconv.Quote(file), mendPEM(text), err
}

// loadOptions are cosign's: it signs with the pre-hashed form of Ed25519.
func loadOptions() []signature.LoadOption { return *cosign.GetDefaultLoadOptions(nil) }

// identityOf names a key: "key sha256:…" of the public key's DER form.
func identityOf(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("taking the fingerprint of the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return keyPrefix + hex.EncodeToString(sum[:]), nil
}
