package sign

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

func (s *store) legacy(ctx context.Context, tag name.Tag, wanted sought) ([]entry, error) {
	list, err := ociremote.Signatures(tag, s.options...)
	if err != nil {
		return nil, err
	}
	remotes, err := list.Get()
	if err != nil {
		return nil, err
	}
	if len(remotes) > maxSignatures {
		return nil, errTooMany
	}
	var all []entry
	left := int64(maxEntries)
	for _, r := range remotes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		annotations, err := r.Annotations()
		if err == nil && wanted.other(annotations, layerType) {
			continue
		}
		one, err := readLegacy(r, wanted.from == attestationTag, &left)
		switch {
		case registry.IsNotFound(err):
			if digest, unknown := r.Digest(); unknown == nil {
				s.missing(digest)
			}
		case err != nil:
			return nil, err
		default:
			all = append(all, one)
		}
	}
	return all, nil
}

// readLegacy reads one entry. What somebody put there that cannot be one has a
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
	return fromLegacy(copied, attestation), nil
}

// extend writes the tag of the legacy format anew, with more in it.
func (s *store) extend(ctx context.Context, like draft, more []oci.Signature) error {
	from := attestationTag
	if like.signature() {
		from = signatureTag
	}
	tag, err := s.tag(from)
	if err != nil {
		return s.notStored(err, string(from), true)
	}
	list, err := ociremote.Signatures(tag, s.options...)
	if err == nil {
		list, err = mutate.AppendSignatures(list, false, more...)
	}
	if err == nil {
		err = remote.Write(tag, list, s.client.Options(ctx)...)
	}
	if err != nil {
		return s.notStored(err, fmt.Sprintf("%s (%s)", from, record.SignatureLegacy), true)
	}
	return nil
}
