package sign

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

const (
	// defaultCopyTimeout bounds one call of Copy.
	defaultCopyTimeout = 10 * time.Minute
	// maxLeftShown is how much of what was left is named in a log.
	maxLeftShown = 20
)

// Copied is what Copy brought to another repository, and what it left.
type Copied struct {
	// Taken counts signatures and attestations, in each format.
	Taken int
	// Left are those that do not hold, and what is none, each with the reason.
	Left []string
}

// Copy brings the signatures and attestations of images to another repository: those
// that hold, by the signer that the options trust and about the image beside which they
// lie. The images have the digests in the repository of o.Image, and are in the other one
// already. What is beside the copies stays. At most 200 things in each place are looked
// at, of 360 MB together, and nothing that is attached to them in turn. o.Image itself
// must have a signature; the policy is that of [Verify].
func Copy(ctx context.Context, o VerifyOptions, digests []string, to string) (Copied, error) {
	var all Copied
	if err := badOptions("copying", append(imageProblems(o.Image), o.problems()...)); err != nil {
		return all, err
	}
	log := cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(o.Timeout, defaultCopyTimeout))
	defer cancel()
	trusted, err := o.trusted(ctx)
	if err != nil {
		return all, err
	}
	for _, digest := range digests {
		from, err := openStore(ctx, record.Image{Repository: o.Image.Repository, Digest: digest}, o.Registry, log)
		if err != nil {
			return all, err
		}
		if digest == o.Image.Digest {
			if _, err := trusted.signature(ctx, from, o.Image); err != nil {
				return all, err
			}
		}
		holding, left, err := trusted.holding(ctx, from)
		if err != nil {
			return all, err
		}
		all.Left = append(all.Left, left...)
		if len(holding) == 0 {
			continue
		}
		into, err := openStore(ctx, record.Image{Repository: to, Digest: digest}, o.Registry, log)
		if err != nil {
			return all, err
		}
		if err := into.add(ctx, holding); err != nil {
			return all, err
		}
		all.Taken += len(holding)
	}
	for i, one := range all.Left {
		if i == maxLeftShown {
			log.Warn("more was left beside the image, which does not hold either", "image", o.Image, "count", len(all.Left)-i)
			break
		}
		log.Warn("left beside the image, and not copied", "image", o.Image, "what", one)
	}
	return all, nil
}

// holding sorts what is beside an image into what holds and what does not.
func (t *trust) holding(ctx context.Context, from *store) (all []signed, left []string, err error) {
	for _, place := range []place{attestationTag, signatureTag, referrers} {
		entries, err := from.read(ctx, sought{place, ""})
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			said, err := t.check(e, t.who)
			switch {
			case e.problem != nil:
				left = append(left, fmt.Sprintf("%s: %s", place, shown(e.problem)))
			case err != nil:
				left = append(left, fmt.Sprintf("%s: signed by %s, which does not hold for %s: %s", place, e.signer(), t.name, shown(err)))
			case !said.about(from.digest.DigestStr()):
				left = append(left, fmt.Sprintf("%s: about %s, not about this image", place, said.subjects()))
			case e.legacy != nil && slices.ContainsFunc(all, func(one signed) bool { return one.legacy == e.legacy }):
				// It is taken already: several signatures of one envelope hold.
			default:
				all = append(all, signed{draft{e.format, said.PredicateType, nil}, e.legacy, e.artifact, nil})
			}
		}
	}
	// What `cosign attach sbom` puts there is not signed.
	tag := from.digest.Context().Tag(strings.Replace(from.digest.DigestStr(), ":", "-", 1) + ".sbom")
	_, err = from.client.Head(ctx, tag)
	switch {
	case err == nil:
		left = append(left, fmt.Sprintf("the SBOM under %s: it is not signed", tag.TagStr()))
	case !registry.IsNotFound(err):
		return nil, nil, registryError(err, "looking for %q", tag)
	}
	return all, left, nil
}
