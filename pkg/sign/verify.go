package sign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// VerifyOptions says what to verify and whom to trust: either Key, or Identity
// with Issuer. The zero value trusts nobody.
type VerifyOptions struct {
	Image pipeline.Image
	// Key is the file of the public key (PEM) that must have signed.
	Key string
	// Identity and Issuer must stand, exactly, in the certificate of a keyless
	// signature, for example
	// "https://github.com/org/repo/.github/workflows/release.yml@refs/tags/v1" and
	// "https://token.actions.githubusercontent.com".
	Identity, Issuer string
	// TrustedRoot is a file with the roots of keyless signatures (Sigstore's
	// trusted_root.json); empty means those of the public Sigstore, by network.
	TrustedRoot string
	// AllowUnsignedUnsafe lets any image through without looking at it, whatever
	// else is given. Each use is logged as a warning.
	AllowUnsignedUnsafe bool
	// Timeout bounds the call; 2 minutes when zero.
	Timeout time.Duration
	// Log gets progress and warnings; nil discards them.
	Log *slog.Logger
}

// Validate reports all problems of the options at once, without reading files.
func (o VerifyOptions) Validate() error {
	var problems []error
	add := func(text string) { problems = append(problems, errors.New(text)) }
	if _, err := pipeline.ParseImage(o.Image.String()); err != nil {
		problems = append(problems, err)
	}
	keyless := o.Identity != "" || o.Issuer != ""
	switch {
	case o.AllowUnsignedUnsafe:
	case o.Key == "" && !keyless:
		add("nobody is trusted yet: give --verify-key FILE of a public key, or --verify-identity with --verify-issuer; --allow-unsigned-unsafe deploys without a check")
	case o.Key != "" && keyless:
		add("a key and an identity are given: only one of --verify-key and --verify-identity can decide")
	case keyless && (o.Identity == "" || o.Issuer == ""):
		add("--verify-identity and --verify-issuer belong together: the same name at another issuer is somebody else")
	case o.TrustedRoot != "" && !keyless:
		add("a trusted root is given without an identity: it is for keyless signatures only")
	}
	if o.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout %s is negative", o.Timeout))
	}
	return badOptions("verifying", problems)
}

// Verify checks that the image is in its registry and has a good signature of
// the trusted key or identity. One good signature is enough. Without one the
// error is of kind refused; when the registry cannot tell, of kind unavailable.
func Verify(ctx context.Context, o VerifyOptions) (pipeline.Verified, error) {
	if err := o.Validate(); err != nil {
		return pipeline.Verified{}, err
	}
	if o.AllowUnsignedUnsafe {
		discardIfNil(o.Log).Warn("the signature of the image is NOT checked, because --allow-unsigned-unsafe is set", "image", o.Image)
		return pipeline.NewUnsignedUnsafe(o.Image), nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeout, defaultTimeout))
	defer cancel()
	trusted, err := o.trusted(ctx)
	if err != nil {
		return pipeline.Verified{}, err
	}
	store, err := openStore(ctx, o.Image)
	if err != nil {
		return pipeline.Verified{}, err
	}
	stored, err := store.signatures(ctx)
	if err != nil {
		return pipeline.Verified{}, err
	}
	if len(stored) == 0 {
		return pipeline.Verified{}, pipeline.Refused("sign/no-signature",
			"verifying %q: it has no signature; sign it with `stagecrew sign --image %s --sign-key cosign.key` or `cosign sign --key cosign.key --tlog-upload=false %s`", o.Image, o.Image, o.Image)
	}
	if err := anyGood(ctx, stored, store.hash, trusted.check); err != nil {
		return pipeline.Verified{}, trusted.refuse(o.Image, stored, err)
	}
	discardIfNil(o.Log).Debug("signature verified", "image", o.Image, "identity", trusted.identity)
	return pipeline.NewVerified(o.Image, trusted.identity), nil
}

// trust is whom a verification trusts, and how it says no.
type trust struct {
	identity string
	check    *cosign.CheckOpts
	refuse   func(image pipeline.Image, stored []oci.Signature, err error) error
}

func (o VerifyOptions) trusted(ctx context.Context) (*trust, error) {
	if o.Key == "" {
		return keyless(ctx, o)
	}
	key, err := loadPublicKey(o.Key)
	if err != nil {
		return nil, err
	}
	identity, err := identityOf(key)
	if err != nil {
		return nil, err
	}
	return &trust{identity: identity, check: keyCheck(key), refuse: func(image pipeline.Image, stored []oci.Signature, _ error) error {
		return refuseKey(image, stored, key, identity)
	}}, nil
}

// keyCheck is cosign's check with a key. A key needs no transparency log: nothing
// about it expires.
func keyCheck(key signature.Verifier) *cosign.CheckOpts {
	return &cosign.CheckOpts{
		SigVerifier:   key,
		ClaimVerifier: cosign.SimpleClaimVerifier,
		IgnoreTlog:    true,
		Offline:       true,
	}
}

// anyGood gives nil when cosign accepts one of the signatures for the digest.
func anyGood(ctx context.Context, stored []oci.Signature, digest v1.Hash, check *cosign.CheckOpts) error {
	problems := []error{errors.New("no signature fits")}
	for _, s := range stored {
		err := verifyOne(ctx, s, digest, check)
		if err == nil {
			return nil
		}
		problems = append(problems, bounded{err})
	}
	return errors.Join(problems...)
}

// verifyOne turns a panic into a refusal: cosign takes some parts of a log entry
// for given, and a registry can serve an entry without them.
func verifyOne(ctx context.Context, s oci.Signature, digest v1.Hash, check *cosign.CheckOpts) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the signature is malformed: %v", p)
		}
	}()
	_, err = cosign.VerifyImageSignature(ctx, s, digest, check)
	return err
}
