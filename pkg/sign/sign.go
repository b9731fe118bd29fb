// Package sign signs images by digest, attests what is known about them, and
// verifies both: with a key pair, or keyless by a certificate for an identity.
// Signatures and attestations lie beside the image in its registry, in the two
// formats of cosign, which accepts ours and whose own are accepted. It is the only
// package that imports Sigstore's libraries, and the only one that makes a
// [record.Verified].
package sign

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// defaultSignTimeout is long, because an outage of Sigstore for some minutes is
// ridden out: the image is built, and a failed step would build it again.
const defaultSignTimeout = 10 * time.Minute

// SignOptions says what to sign and as whom: with Key or KeyPEM, or else keyless,
// as the identity that IdentityToken proves. Image is required for what is stored.
type SignOptions struct { //nolint:revive // the pair of VerifyOptions
	Image record.Image
	// Key is the file of an encrypted cosign private key (PEM), or the URI of a key
	// in a KMS: awskms://…, azurekms://…, gcpkms://…, hashivault://….
	Key string
	// KeyPEM is the private key itself, instead of its file.
	KeyPEM []byte
	// Password decrypts the key; empty when it was made with an empty one.
	Password []byte
	// IdentityToken gives an OIDC token for the audience "sigstore". An error of kind
	// unavailable is tried again. Only used without a key.
	IdentityToken func(ctx context.Context) (string, error)
	// SigningConfig is a file (Sigstore's signing_config.json) with the certificate
	// authority, log and timestamp authorities to use. Empty means those of the public
	// Sigstore; with a key, none.
	SigningConfig string
	// TrustedRoot is a file with the roots of these authorities (trusted_root.json),
	// against which every signature is checked before it is stored. Empty means those
	// of the public Sigstore, by network.
	TrustedRoot string
	// Format is both when empty.
	Format record.SignatureFormat
	// Attestations are signed and stored with the signature.
	Attestations []Attestation
	// Registry is how the registry is asked. Its log is not used.
	Registry registry.Access
	// Timeout bounds the call; 10 minutes when zero.
	Timeout time.Duration
	// Log gets progress; nil discards it.
	Log *slog.Logger

	key signature.SignerVerifier // opened by Read
}

// Signature is what Sign and Attest stored in the registry, or found there.
type Signature struct {
	Image record.Image
	// Identity is the identity in the certificate, or "key sha256:…", the hash of the
	// public key's DER (SPKI) form.
	Identity string
	// Issuer is who vouched for the identity; empty for a key.
	Issuer string
	// Stored is how many objects were new; 0 when all of them were there already.
	Stored int
	// Bundles are the attestations among what was new, as Sigstore bundles; none with
	// the legacy format alone.
	Bundles []json.RawMessage
}

// Validate reports all problems of the options at once, without reading files. The
// image may be missing: it is known later than the rest.
func (o SignOptions) Validate() error { return badOptions("signing", o.problems()) }

func (o SignOptions) problems() []error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Key != "" && len(o.KeyPEM) > 0 {
		add("a key and the file of a key are given: only one can sign")
	}
	if !o.withKey() && o.IdentityToken == nil {
		add("no key and no identity: give --sign-key FILE of a cosign private key, or sign keyless in a GitHub Actions job with\n  permissions:\n    id-token: write")
	}
	if err := record.CheckChoice(o.Format); o.Format != "" && err != nil {
		add("format %w", err)
	}
	if o.withKey() && o.TrustedRoot != "" && o.SigningConfig == "" {
		add("a trusted root is given for a key without a signing config: there is nothing that it could vouch for")
	}
	for _, a := range o.Attestations {
		if err := a.validate(); err != nil {
			problems = append(problems, err)
		}
	}
	if o.Timeout < 0 {
		add("timeout %s is negative", o.Timeout)
	}
	return problems
}

// formats are those to store, one by one.
func (o SignOptions) formats() []record.SignatureFormat {
	if o.Format == "" || o.Format == record.SignatureBoth {
		return []record.SignatureFormat{record.SignatureLegacy, record.SignatureBundle}
	}
	return []record.SignatureFormat{o.Format}
}

func (o SignOptions) withKey() bool { return o.Key != "" || len(o.KeyPEM) > 0 }

// Read gives the options with the file of the key read, and the key opened: what is
// wrong with it is told before anything is done, and the file may be a pipe, which
// can be read once.
func (o SignOptions) Read() (SignOptions, error) {
	if !o.withKey() || inKMS(o.Key) {
		return o, nil
	}
	var err error
	o.key, err = loadPrivateKey(context.Background(), o.Key, o.KeyPEM, o.Password) //nolint:forbidigo // a file is read
	return o, err
}

// Check reports whether the key, the trusted root and the signing config can be used,
// before there is something to sign. It does not ask for a certificate.
func Check(ctx context.Context, o SignOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeout, defaultSignTimeout))
	defer cancel()
	_, err := newSigner(ctx, o)
	return err
}

// Sign signs the image and its attestations and stores them beside it. The image
// must be in its registry. What is there already is not stored again, so that a run
// that was interrupted can be repeated.
func Sign(ctx context.Context, o SignOptions) (Signature, error) { return o.store(ctx, true) }

// Attest is Sign without the signature: it adds the attestations alone.
func Attest(ctx context.Context, o SignOptions) (Signature, error) { return o.store(ctx, false) }

func (o SignOptions) store(ctx context.Context, signature bool) (Signature, error) {
	if err := badOptions("signing", append(imageProblems(o.Image), o.problems()...)); err != nil {
		return Signature{}, err
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeout, defaultSignTimeout))
	defer cancel()
	signer, err := newSigner(ctx, o)
	if err != nil {
		return Signature{}, err
	}
	store, err := openStore(ctx, o.Image, o.Registry, o.Log)
	if err != nil {
		return Signature{}, err
	}
	if err := signer.certify(ctx, o.IdentityToken); err != nil {
		return Signature{}, err
	}
	done := Signature{Image: o.Image, Identity: signer.trust.name, Issuer: signer.trust.issuer}
	drafts, err := o.drafts(store, signature, signer)
	if err != nil {
		return Signature{}, err
	}
	// All is signed before anything is stored, and each tag is written once.
	fresh, err := o.signAll(ctx, signer, store, drafts)
	if err != nil {
		return done, err
	}
	if err := store.add(ctx, fresh); err != nil {
		return done, err
	}
	done.Stored = len(fresh)
	for _, one := range fresh {
		if one.bundle != nil && !one.signature() {
			done.Bundles = append(done.Bundles, one.bundle)
		}
	}
	return done, nil
}

// signAll signs what is not there yet.
func (o SignOptions) signAll(ctx context.Context, by *signer, store *store, drafts []draft) (fresh []signed, err error) {
	for _, d := range drafts {
		there, err := by.has(ctx, store, d)
		if err != nil {
			return nil, err
		}
		if there {
			o.Log.Info("it is there already", "image", o.Image, "what", d.what(), "by", by.trust.name)
			continue
		}
		made, err := by.sign(ctx, d)
		if err != nil {
			return nil, err
		}
		one, err := d.signed(made, by.chain, store.subject)
		if err != nil {
			return nil, fmt.Errorf("signing %q: %w", o.Image, err)
		}
		o.Log.Debug("signed", "image", o.Image, "what", d.what(), "by", by.trust.name)
		fresh = append(fresh, one)
	}
	return fresh, nil
}

func imageProblems(image record.Image) []error {
	if _, err := record.ParseImage(image.String()); err != nil {
		return []error{err}
	}
	return nil
}

func badOptions(doing string, problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return record.BadInput("sign/options", "%s: %w", doing, record.Problems(problems...))
}
