package sign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// defaultVerifyTimeout bounds one call of Verify.
const defaultVerifyTimeout = 2 * time.Minute

// VerifyOptions says what to verify, whom to trust and what must be attested.
// Trusted is either a key, or an identity with its issuer. The zero value trusts
// no signer.
type VerifyOptions struct {
	Image record.Image
	// Key is the file of the public key (PEM) that must have signed, or the URI of a
	// key in a KMS, as in SignOptions. Of several keys in the file any will do.
	Key string
	// KeyPEM is the public key itself, instead of its file.
	KeyPEM []byte
	// Identity and Issuer must stand, exactly, in the certificate of a keyless
	// signature, for example
	// "https://github.com/org/repo/.github/workflows/release.yml@refs/tags/v1" and
	// "https://token.actions.githubusercontent.com".
	Identity, Issuer string
	// IdentityPattern is a regular expression that must match the whole identity,
	// instead of Identity.
	IdentityPattern string
	// TrustedRoot is a file with the roots of keyless signatures (Sigstore's
	// trusted_root.json): with it, nothing but the registry is asked. Empty means those
	// of the public Sigstore, by network.
	TrustedRoot string
	// Policy is what has to be attested besides the signature, by the same signer.
	Policy Policy
	// AllowUnsignedUnsafe lets any image through without looking at it. It is refused
	// beside a key or an identity. Each use is logged as a warning.
	AllowUnsignedUnsafe bool
	// Deploys is for messages: only who deploys is told of AllowUnsignedUnsafe.
	Deploys bool
	// Registry is how the registry is asked. Its log is not used.
	Registry registry.Access
	// Timeout bounds the call; 2 minutes when zero.
	Timeout time.Duration
	// Log gets progress and warnings; nil discards them.
	Log *slog.Logger

	trust *trust // made by Read
}

func (o VerifyOptions) withKey() bool { return o.Key != "" || len(o.KeyPEM) > 0 }

// Validate reports all problems of the options at once, without reading files. The
// image may be missing: it is known later than the rest.
func (o VerifyOptions) Validate() error { return badOptions("verifying", o.problems()) }

func (o VerifyOptions) problems() []error {
	var problems []error
	add := func(text string) { problems = append(problems, errors.New(text)) }
	named := o.Identity != "" || o.IdentityPattern != ""
	keyless := named || o.Issuer != ""
	switch {
	case o.AllowUnsignedUnsafe && (o.withKey() || keyless):
		add("--allow-unsigned-unsafe switches off the check that --verify-key or --verify-identity asks for: give only one of them (--verify-key \"\" takes back what a configuration file says)")
	case o.AllowUnsignedUnsafe:
	case !o.withKey() && !keyless:
		way := ""
		if o.Deploys {
			way = "; --allow-unsigned-unsafe deploys without a check"
		}
		add("nobody is trusted yet: give --verify-key FILE of a public key, or --verify-identity with --verify-issuer" + way)
	case o.withKey() && keyless:
		add("a key and an identity are given: only one of --verify-key and --verify-identity can decide")
	case o.Key != "" && len(o.KeyPEM) > 0:
		add("a key and the file of a key are given: only one can decide")
	case o.Identity != "" && o.IdentityPattern != "":
		add("an identity and a pattern for it are given: only one of --verify-identity and --verify-identity-regexp can decide")
	case keyless && (!named || o.Issuer == ""):
		add("--verify-identity (or --verify-identity-regexp) and --verify-issuer belong together: the same name at another issuer is somebody else")
	case o.TrustedRoot != "" && !keyless:
		add("a trusted root is given without an identity: it is for keyless signatures only")
	}
	if _, err := anchored(o.IdentityPattern); err != nil {
		problems = append(problems, fmt.Errorf("--verify-identity-regexp: %w", err))
	}
	if err := o.Policy.validate(); err != nil {
		problems = append(problems, err)
	}
	if o.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout %s is negative", o.Timeout))
	}
	return problems
}

// Verify checks that the image is in its registry, has a good signature of the
// trusted key or identity, in either format, and has the attestations that the
// policy wants. One good signature is enough. Without one the error is of kind
// refused; when the registry cannot tell, of kind unavailable.
func Verify(ctx context.Context, o VerifyOptions) (record.Verified, error) {
	if err := badOptions("verifying", append(imageProblems(o.Image), o.problems()...)); err != nil {
		return record.Verified{}, err
	}
	log := cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.AllowUnsignedUnsafe {
		log.Warn("the signature of the image is NOT checked, because --allow-unsigned-unsafe is set", "image", o.Image)
		return record.NewUnsignedUnsafe(o.Image), nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeout, defaultVerifyTimeout))
	defer cancel()
	trusted, err := o.trusted(ctx)
	if err != nil {
		return record.Verified{}, err
	}
	store, err := openStore(ctx, o.Image, o.Registry, log)
	if err != nil {
		return record.Verified{}, err
	}
	by, err := trusted.signature(ctx, store, o.Image)
	if err != nil {
		return record.Verified{}, err
	}
	if err := o.Policy.check(ctx, trusted, store, o.Image); err != nil {
		return record.Verified{}, err
	}
	log.Debug("signature verified", "image", o.Image, "identity", by)
	return record.NewVerified(o.Image, by), nil
}

// Read gives the options with the files read that say who is trusted: what is wrong
// with them is told before anybody is asked, and the key may be a pipe, which can be
// read once. What is in no file, a key in a KMS and the roots of the public Sigstore, is
// asked for when it is needed.
func (o VerifyOptions) Read() (VerifyOptions, error) {
	inFile := o.withKey() && !inKMS(o.Key) || files.IsRegular(o.TrustedRoot)
	if o.AllowUnsignedUnsafe || !inFile || o.Validate() != nil {
		return o, nil //nolint:nilerr // who verifies says what else is wrong
	}
	var err error
	o.trust, err = o.trusted(context.Background()) //nolint:forbidigo // a file is read
	return o, err
}

func (o VerifyOptions) trusted(ctx context.Context) (*trust, error) {
	if o.trust != nil {
		return o.trust, nil
	}
	if o.withKey() {
		keys, err := loadPublicKeys(ctx, o.Key, o.KeyPEM)
		if err != nil {
			return nil, err
		}
		return trustKeys(keys...)
	}
	roots, err := trustedRoot(ctx, o.TrustedRoot)
	if err != nil {
		return nil, err
	}
	pattern, err := anchored(o.IdentityPattern)
	if err != nil {
		return nil, err
	}
	return trustIdentity(roots, identity{san: o.Identity, pattern: pattern, issuer: o.Issuer})
}

// signature looks for a good signature and gives who signed. The legacy format
// comes first: it takes fewer requests. A place that cannot be read does not matter when
// the other one has what is needed.
func (t *trust) signature(ctx context.Context, store *store, image record.Image) (string, error) {
	var tried []failed
	var unread error
	for _, from := range []place{signatureTag, referrers} {
		entries, err := store.read(ctx, sought{from, signPredicate})
		if err != nil && unread == nil {
			unread = err
		}
		for _, e := range entries {
			said, err := t.check(e, t.who)
			switch {
			case err == nil && said.PredicateType != signPredicate:
				continue
			case err == nil && said.about(image.Digest):
				return cmp.Or(said.by, t.name), nil
			case isAttestation(e):
				continue
			}
			tried = append(tried, failed{e, said, err})
		}
	}
	if unread != nil {
		return "", unread
	}
	return "", t.refuse(image, tried, store.whatElse(ctx, signPredicate))
}

// isAttestation reports whether the entry does not claim to be a signature.
func isAttestation(e entry) bool {
	said, err := e.statement()
	return err == nil && said.PredicateType != signPredicate
}

// failed is an entry that is not a good signature of the image: signed by who is
// trusted but about something else, or not verified.
type failed struct {
	entry
	said statement // without problem
	err  error
}
