package sign

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/stagecrew/stagecrew/pkg/record"
)

var (
	keyPattern    = regexp.MustCompile(`^key sha256:[0-9a-f]{64}$`)
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// refuse finds out why none of the signatures will do: there is none, or it was
// made for another digest, altered, or made by another signer. What is gone is said
// when it may have been the signature.
func (t *trust) refuse(image record.Image, tried []failed, gone string) error {
	if len(tried) == 0 {
		return record.Refused("sign/no-signature",
			"verifying %q: it has no signature; sign it with `stagecrew sign --image %s` or `cosign sign %s`%s", image, image, image, gone)
	}
	var others []string
	var altered error
	var problems []error
	for _, f := range tried {
		if f.err == nil {
			return record.Refused("sign/other-digest",
				"verifying %q: its signature by %s is about %s, not about this image; somebody copied it here: do not deploy, sign the image that was built", image, t.name, f.said.subjects())
		}
		problems = append(problems, shown(f.err))
		who := f.signer()
		switch {
		case t.key && t.names(who):
			altered = shown(f.err)
		case f.problem != nil || slices.Contains(others, who): // what cannot be read has no signer
		case t.key:
			others = append(others, who)
		default:
			if _, err := t.check(f.entry, verify.WithoutIdentitiesUnsafe()); err == nil {
				others = append(others, who)
			}
		}
	}
	switch {
	case altered != nil:
		return record.Refused("sign/altered",
			"verifying %q: a signature names %s, but its text was altered after signing (%w): do not deploy, sign the image that was built", image, t.name, altered)
	case len(others) > 0 && t.key:
		return record.Refused("sign/key-mismatch",
			"verifying %q: it is signed by %s, but %s is trusted; give the public key that belongs to the signing key, or sign with the key that is trusted%s", image, strings.Join(others, ", "), t.name, gone)
	case len(others) > 0:
		return record.Refused("sign/identity-mismatch",
			"verifying %q: it is signed by %s, but the identity %s of issuer %s is trusted: %w%s", image, strings.Join(others, ", "), t.name, t.issuer, problems[0], gone)
	default:
		return record.Refused("sign/not-verified",
			"verifying %q: it has signatures, but none that holds for %s: %w%s", image, t.name, shown(record.Problems(problems...)), gone)
	}
}
