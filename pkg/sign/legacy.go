package sign

import (
	"slices"

	"github.com/stagecrew/stagecrew/pkg/registry/push"

	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

func (s *store) legacy(ctx context.Context, tag name.Tag, wanted sought) ([]entry, error) {
	list, err := ociremote.Signatures(tag, s.options...)
	if err != nil && s.isIndex(ctx, tag) {
		return []entry{{format: record.SignatureLegacy, problem: fmt.Errorf("%s is an index, and no list of %s", tag.TagStr(), wanted.from)}}, nil
	}
	if err != nil {
		return nil, err
	}
	left := int64(maxEntries)
	return s.entriesOf(ctx, list, wanted.from == attestationTag, wanted, &left)
}

// isIndex reports whether an index is under a tag.
func (s *store) isIndex(ctx context.Context, tag name.Tag) bool {
	found, err := s.client.Get(ctx, tag)
	return err == nil && found.MediaType.IsIndex()
}

// entriesOf reads a list of signatures, or of attestations.
func (s *store) entriesOf(ctx context.Context, list oci.Signatures, attestations bool, wanted sought, left *int64) ([]entry, error) {
	remotes, err := list.Get()
	if err != nil {
		return nil, err
	}
	if len(remotes) > maxSignatures {
		return nil, errTooMany
	}
	var all []entry
	for _, r := range remotes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		annotations, err := r.Annotations()
		if err == nil && wanted.other(annotations, layerType) {
			continue
		}
		one, err := readLegacy(r, attestations, left)
		switch {
		case registry.IsNotFound(err):
			if digest, unknown := r.Digest(); unknown == nil {
				s.missing(digest)
			}
		case err != nil:
			return nil, err
		default:
			all = append(all, one.split()...)
		}
	}
	return all, nil
}

// readLegacy reads one entry. What was put there that cannot be one has a
// problem: whoever may push must not be able to hide the signatures beside it.
func readLegacy(r oci.Signature, attestation bool, left *int64) (entry, error) {
	size, err := r.Size()
	if err == nil {
		err = fits(size, left)
	}
	if err != nil {
		return entry{format: record.SignatureLegacy, problem: err}, nil //nolint:nilerr // the entry has it
	}
	// The content first: only then can an error of the copy be about the form.
	if _, err := r.Payload(); err != nil {
		return entry{format: record.SignatureLegacy, problem: err}, unanswered(err)
	}
	copied, err := static.Copy(r)
	if err != nil {
		return entry{format: record.SignatureLegacy, problem: err}, nil //nolint:nilerr // the entry has it
	}
	e := fromLegacy(copied, attestation)
	e.legacy = copied
	return e, nil
}

// extending stores signatures, or attestations, under the tag that has all of them.
func (s *store) extending(ctx context.Context, to *push.Repository, more []signed) (step, error) {
	from := more[0].place()
	tag, err := s.tag(from)
	if err != nil {
		return step{}, err
	}
	there, err := s.isThere(ctx, tag)
	return step{what: fmt.Sprintf("%s (%s)", from, record.SignatureLegacy), legacy: true, tag: true, there: there, write: func(ctx context.Context) (bool, error) {
		return s.rewrite(ctx, to, tag, func() (*content, error) { return s.extended(ctx, tag, more) })
	}}, err
}

// extended is what the tag has, and what it lacks.
func (s *store) extended(ctx context.Context, tag name.Tag, more []signed) (*content, error) {
	list, err := ociremote.Signatures(tag, s.options...)
	if err != nil && s.isIndex(ctx, tag) {
		return nil, record.BadInput("sign/tag-taken", "storing the %s of %q: an index is under their tag, %s: remove it, or store bundles only (`--sign-format bundle`)", more[0].place(), s.digest, tag.TagStr())
	}
	if err != nil {
		return nil, err
	}
	there, err := list.Get()
	if err != nil {
		return nil, err
	}
	var missing []oci.Signature
	for _, one := range more {
		if !slices.ContainsFunc(slices.Concat(there, missing), func(known oci.Signature) bool { return same(known, one.legacy) }) {
			missing = append(missing, one.legacy)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	longer, err := mutate.AppendSignatures(list, false, missing...)
	if err != nil {
		return nil, err
	}
	blobs, err := blobsOf(longer, missing)
	return &content{longer, blobs}, err
}

// same reports whether two are one signature of one text.
func same(a, b oci.Signature) bool {
	left, leftErr := a.Digest()
	right, rightErr := b.Digest()
	if leftErr != nil || rightErr != nil || left != right {
		return false
	}
	by, byErr := a.Base64Signature()
	of, ofErr := b.Base64Signature()
	return byErr == nil && ofErr == nil && by == of
}

// blobsOf are the blobs of a list that the registry does not have yet.
func blobsOf(list oci.Signatures, fresh []oci.Signature) ([]push.Blob, error) {
	config, err := list.RawConfigFile()
	if err != nil {
		return nil, err
	}
	digest, err := list.ConfigName()
	if err != nil {
		return nil, err
	}
	blobs := []push.Blob{blobOf(digest, config)}
	for _, one := range fresh {
		text, err := one.Payload()
		if err != nil {
			return nil, err
		}
		digest, err := one.Digest()
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, blobOf(digest, text))
	}
	return blobs, nil
}
