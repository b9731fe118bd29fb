package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigstore "github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// signer signs texts as one key or one identity, and knows how to check that the
// result is what a verifier will accept.
type signer struct {
	keys     keys
	leaf     []byte              // DER of the certificate; nil for a key
	chain    []*x509.Certificate // from the leaf, exclusive, to the root
	roots    root.TrustedMaterial
	trust    *trust
	services services
	log      *slog.Logger
}

// newSigner reads what the options name; only a KMS is asked yet, or the public
// Sigstore for its roots.
func newSigner(ctx context.Context, o SignOptions) (*signer, error) {
	services, err := loadServices(o)
	if err != nil {
		return nil, err
	}
	s := &signer{services: services, log: o.Log}
	if !o.withKey() {
		s.roots, err = trustedRoot(ctx, o.TrustedRoot)
		return s, err
	}
	key := o.key
	if key == nil {
		if key, err = loadPrivateKey(ctx, o.Key, o.KeyPEM, o.Password); err != nil {
			return nil, err
		}
	}
	if s.keys, err = newLongLived(key); err != nil {
		return nil, record.BadInput("sign/key-file", "opening the private key: %w", shown(err))
	}
	s.trust, err = trustKeys(key)
	return s, err
}

// certify makes a key for this one call, unless one is given, and has it certified
// for the identity. The key never leaves the memory.
func (s *signer) certify(ctx context.Context, token func(context.Context) (string, error)) error {
	if s.keys != nil {
		return nil
	}
	fresh, err := sigstore.NewEphemeralKeypair(nil)
	if err != nil {
		return fmt.Errorf("making a key for one signature: %w", err)
	}
	s.keys = fresh
	if s.leaf, err = s.services.certify(ctx, fresh, token, s.log); err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(s.leaf)
	if err != nil {
		return record.Unavailable("sign/authority", "reading the certificate of %s: %w", s.services.fulcio, shown(err))
	}
	summary, err := certificate.SummarizeCertificate(leaf)
	if err != nil {
		return record.Unavailable("sign/authority", "reading the certificate of %s: %w", s.services.fulcio, shown(err))
	}
	if s.chain, err = chainOf(leaf, s.roots); err != nil {
		return record.BadInput("sign/trusted-root", "checking the certificate of %s: %w; give the trusted root that belongs to the signing config", s.services.fulcio, shown(err))
	}
	s.trust, err = trustIdentity(s.roots, identity{san: summary.SubjectAlternativeName, issuer: summary.Issuer})
	return err
}

// chainOf are the certificates above the leaf.
func chainOf(leaf *x509.Certificate, roots root.TrustedMaterial) ([]*x509.Certificate, error) {
	problem := errors.New("the trusted root has no certificate authority")
	for _, authority := range roots.FulcioCertificateAuthorities() {
		chains, err := authority.Verify(leaf, leaf.NotBefore)
		if err == nil && len(chains) > 0 {
			return chains[0][1:], nil
		}
		problem = err
	}
	return nil, problem
}

// has reports whether the registry has the object already, signed by this signer.
func (s *signer) has(ctx context.Context, store *store, d draft) (bool, error) {
	entries, err := store.read(ctx, sought{d.place(), d.predicateType})
	if err != nil {
		return false, err
	}
	wanted, err := d.statement()
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		said, err := s.trust.check(e, s.trust.who)
		if err == nil && said.PredicateType == wanted.PredicateType && said.about(store.digest.DigestStr()) &&
			bytes.Equal(said.Predicate, wanted.Predicate) {
			return true, nil
		}
	}
	return false, nil
}

// sign makes the signed object and checks it as a verifier will.
func (s *signer) sign(ctx context.Context, d draft) (*protobundle.Bundle, error) {
	var content sigstore.Content = &sigstore.DSSEData{Data: d.text, PayloadType: statementFormat}
	if d.message() {
		content = &sigstore.PlainData{Data: d.text}
	}
	signed, digest, err := s.keys.SignData(ctx, content.PreAuthEncoding())
	if err != nil {
		return nil, record.Unavailable("sign/key-unavailable", "signing with %s: %w", s.trust.name, shown(err))
	}
	mediaType, err := bundle.MediaTypeString("0.3")
	if err != nil {
		return nil, err
	}
	made := &protobundle.Bundle{MediaType: mediaType, VerificationMaterial: &protobundle.VerificationMaterial{}}
	content.Bundle(made, signed, digest, s.keys.GetHashAlgorithm())
	owner, err := s.describe(made.VerificationMaterial)
	if err != nil {
		return nil, err
	}
	stamped := signed
	if d.format == record.SignatureLegacy && !d.message() {
		if stamped, err = legacyEnvelope(made.GetDsseEnvelope()); err != nil {
			return nil, err
		}
	}
	if err := s.services.witness(ctx, made, stamped, owner, s.log); err != nil {
		return nil, err
	}
	return made, s.prove(d, made)
}

// describe says in the bundle who signed, and gives the same as PEM.
func (s *signer) describe(material *protobundle.VerificationMaterial) (owner []byte, err error) {
	if s.leaf != nil {
		material.Content = &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: s.leaf}}
		return encodeCertificate(s.leaf), nil
	}
	material.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: string(s.keys.GetHint())}}
	text, err := s.keys.GetPublicKeyPem()
	return []byte(text), err
}

// prove refuses to store what no verifier would accept: a certificate, timestamp
// or log entry that the trusted root does not vouch for.
func (s *signer) prove(d draft, made *protobundle.Bundle) error {
	e := entry{format: d.format}
	if d.format == record.SignatureLegacy {
		legacy, err := toLegacy(made, d.text, s.chain)
		if err != nil {
			return record.BadInput("sign/format", "signing with format %s: %w", d.format, err)
		}
		e = fromLegacy(legacy, !d.message())
	} else {
		e.bundle, e.problem = bundle.NewBundle(made)
	}
	if _, err := s.trust.check(e, s.trust.who); err != nil {
		return record.Unavailable("sign/not-verifiable",
			"checking the fresh %s before it is stored: %w; is the trusted root that of the authorities in the signing config?", d.what(), shown(err))
	}
	return nil
}

// keys makes signatures of sigstore's [sigstore.Content].
type keys interface {
	GetHashAlgorithm() protocommon.HashAlgorithm
	GetHint() []byte
	GetPublicKeyPem() (string, error)
	SignData(ctx context.Context, data []byte) (signed, digest []byte, err error)
}

// longLived is a key of cosign or of a KMS.
type longLived struct {
	signature.SignerVerifier
	public    crypto.PublicKey
	algorithm signature.AlgorithmDetails
}

func newLongLived(key signature.SignerVerifier) (longLived, error) {
	public, err := key.PublicKey()
	if err != nil {
		return longLived{}, err
	}
	algorithm, err := signature.GetDefaultAlgorithmDetails(public, loadOptions()...)
	return longLived{key, public, algorithm}, err
}

func (k longLived) GetHashAlgorithm() protocommon.HashAlgorithm {
	return k.algorithm.GetProtoHashType()
}

// GetHint is the fingerprint of the public key, as cosign gives it.
func (k longLived) GetHint() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(der)
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

func (k longLived) GetPublicKeyPem() (string, error) {
	text, err := cryptoutils.MarshalPublicKeyToPEM(k.public)
	return string(text), err
}

func (k longLived) SignData(ctx context.Context, data []byte) (signed, digest []byte, err error) {
	sum := k.algorithm.GetHashType().New()
	sum.Write(data)
	signed, err = k.SignMessage(bytes.NewReader(data), options.WithContext(ctx))
	return signed, sum.Sum(nil), err
}
