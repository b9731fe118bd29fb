package sign

import (
	"context"
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// maxImages is of how many images of an index it is asked what they have.
const maxImages = 8

// whatItsImagesHave completes the refusal of an index: people sign and attest the images
// of its platforms, which says nothing about the index (sigstore/cosign#786, #1086,
// #3552, NVIDIA/aicr#2213).
func (s *store) whatItsImagesHave(ctx context.Context, predicateType string) string {
	if s.index == nil {
		return ""
	}
	images, err := s.client.Entries(ctx, s.digest.Context(), s.index)
	if err != nil {
		return "" // it is about something else then
	}
	var have []string
	for _, image := range images[:min(len(images), maxImages)] {
		child, err := openStore(ctx, record.Image{Repository: s.digest.Context().Name(), Digest: image.Digest.String()}, s.access, s.log)
		if err == nil && child.hasAny(ctx, predicateType) {
			have = append(have, fmt.Sprintf("%s (%s)", image.Platform.String(), image.Digest))
		}
	}
	if len(have) == 0 {
		return ""
	}
	return fmt.Sprintf("; this is the index of several platforms, and what was signed is about its images for %s: sign the index as well, or name one of them by its digest", strings.Join(have, ", "))
}

// hasAny reports whether something that says that it is of a type is there, whoever has
// signed it.
func (s *store) hasAny(ctx context.Context, predicateType string) bool {
	from := attestationTag
	if predicateType == signPredicate {
		from = signatureTag
	}
	for _, place := range []place{from, referrers} {
		entries, err := s.read(ctx, sought{place, predicateType})
		if err != nil {
			continue
		}
		for _, e := range entries {
			if said, err := e.statement(); err == nil && sameType(said.PredicateType, predicateType) {
				return true
			}
		}
	}
	return false
}
