// Package sign signs images by digest with a cosign key pair and verifies such
// signatures, or keyless ones against an exact identity. Signatures lie beside
// the image in its registry, where `cosign verify` finds them and from where
// those of `cosign sign` are read. It is the only package that imports cosign,
// and the only one that makes a [pipeline.Verified].
package sign

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// defaultTimeout bounds one call of Sign or Verify.
const defaultTimeout = 2 * time.Minute

// keyNote is the name under which the signed text says which key signed, so that
// a refusal can name both keys. Nothing is ever accepted because of it.
const keyNote = "dev.stagecrew.key"

// SignOptions says what to sign and with which key. Image and Key are required.
type SignOptions struct { //nolint:revive // the pair of VerifyOptions
	Image pipeline.Image
	// Key is the file of an encrypted cosign private key (PEM).
	Key string
	// Password decrypts the key; empty when it was made with an empty one.
	Password []byte
	// Timeout bounds the call; 2 minutes when zero.
	Timeout time.Duration
	// Log gets progress; nil discards it.
	Log *slog.Logger
}

// Signature is a signature that is stored in the registry.
type Signature struct {
	Image pipeline.Image
	// Identity is "key sha256:…", the hash of the public key's DER (SPKI) form.
	Identity string
	// Ref is the tag under which the image's signatures are stored.
	Ref string
}

// Validate reports all problems of the options at once, without reading the key.
func (o SignOptions) Validate() error {
	var problems []error
	if _, err := pipeline.ParseImage(o.Image.String()); err != nil {
		problems = append(problems, err)
	}
	if o.Key == "" {
		problems = append(problems, errors.New("no key: give the file of a cosign private key, as `cosign generate-key-pair` makes it"))
	}
	if o.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout %s is negative", o.Timeout))
	}
	return badOptions("signing", problems)
}

// Sign signs the image and stores the signature beside it. The image must be in
// its registry. Signing again with the same key changes nothing. Nothing is sent
// to a transparency log.
func Sign(ctx context.Context, o SignOptions) (Signature, error) {
	if err := o.Validate(); err != nil {
		return Signature{}, err
	}
	log := discardIfNil(o.Log)
	key, err := loadPrivateKey(o.Key, o.Password)
	if err != nil {
		return Signature{}, err
	}
	identity, err := identityOf(key)
	if err != nil {
		return Signature{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeout, defaultTimeout))
	defer cancel()
	store, err := openStore(ctx, o.Image)
	if err != nil {
		return Signature{}, err
	}
	done := Signature{Image: o.Image, Identity: identity, Ref: store.tag.String()}
	stored, err := store.signatures(ctx)
	if err != nil {
		return Signature{}, err
	}
	if err := anyGood(ctx, stored, store.hash, keyCheck(key)); err == nil {
		log.Info("the image has a signature of this key already", "image", o.Image, "identity", identity)
		return done, nil
	}
	fresh, err := newSignature(ctx, store.digest, key, identity)
	if err != nil {
		return Signature{}, fmt.Errorf("signing %q: %w", o.Image, err)
	}
	if err := store.add(fresh); err != nil {
		return Signature{}, err
	}
	log.Debug("signature stored", "image", o.Image, "identity", identity, "ref", done.Ref)
	return done, nil
}

// newSignature signs cosign's text ("simple signing") about the digest.
func newSignature(ctx context.Context, digest name.Digest, key signature.Signer, identity string) (oci.Signature, error) {
	text, err := payload.Cosign{Image: digest, Annotations: map[string]any{keyNote: identity}}.MarshalJSON()
	if err != nil {
		return nil, err
	}
	signed, err := key.SignMessage(bytes.NewReader(text), options.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	return static.NewSignature(text, base64.StdEncoding.EncodeToString(signed))
}

// add stores one more signature beside those that are there.
func (s *store) add(fresh oci.Signature) error {
	entity, err := mutate.AttachSignatureToEntity(ociremote.SignedUnknown(s.digest, s.options...), fresh)
	if err != nil {
		return registryError(err, "storing a signature for %q", s.digest)
	}
	if err := ociremote.WriteSignatures(s.digest.Repository, entity, s.options...); err != nil {
		return registryError(err, "storing a signature for %q", s.digest)
	}
	return nil
}

func badOptions(doing string, problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return pipeline.BadInput("sign/options", "%s: %w", doing, errors.Join(problems...))
}

func discardIfNil(log *slog.Logger) *slog.Logger {
	return cmp.Or(log, slog.New(slog.DiscardHandler))
}
