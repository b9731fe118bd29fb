package sign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

const (
	bundleLayer = "application/vnd.dev.sigstore.bundle"
	// Annotations that name the predicate type of a bundle's manifest, and of an
	// attestation's layer.
	bundleType, layerType = "dev.sigstore.bundle.predicateType", "predicateType"
)

// place is where the registry keeps signatures and attestations of an image.
type place string

const (
	signatureTag   place = "signatures"             // the tag sha256-….sig
	attestationTag place = "attestations"           // the tag sha256-….att
	referrers      place = "signatures and bundles" // OCI referrers of the image
)

// store is one image's signatures and attestations in its registry.
type store struct {
	digest    name.Digest
	subject   v1.Descriptor // the image
	access    registry.Access
	index     *remote.Descriptor // the image, when it is an index
	client    *registry.Client
	transport *conditional
	options   []ociremote.Option
	log       *slog.Logger
	have      map[sought][]entry // what was read already
	gone      []string           // digests that the registry lists, but does not have
	others    []string           // kinds of what refers to the image and is no bundle
	window    time.Duration      // the longest time between the reading and the writing of a tag
	written   time.Time          // when one was written last
}

// sought is what is looked for in one place.
type sought struct {
	from          place
	predicateType string // signPredicate for a signature; empty for everything
}

// other reports whether annotations say that something is of another type: it need
// not be read.
func (w sought) other(annotations map[string]string, key string) bool {
	said := annotations[key]
	return w.predicateType != "" && said != "" && !sameType(said, w.predicateType)
}

// missing notes what a clean-up removed from under the list that names it.
func (s *store) missing(digest v1.Hash) {
	if one := digest.String(); !slices.Contains(s.gone, one) {
		s.gone = append(s.gone, one)
		s.log.Warn("the registry lists it beside the image, but does not have it any more; it is passed over", "image", s.digest, "digest", one)
	}
}

// isGone reports whether that was noted.
func (s *store) isGone(d v1.Descriptor) bool { return slices.Contains(s.gone, d.Digest.String()) }

// whatElse completes a refusal with what may have been the signature, or the attestation
// of a type: it is empty when nothing is missing, and nothing else is there.
func (s *store) whatElse(ctx context.Context, predicateType string) string {
	return s.whatIsGone() + s.whatIsOfOtherKinds() + s.whatItsImagesHave(ctx, predicateType)
}

func (s *store) whatIsOfOtherKinds() string {
	if len(s.others) == 0 {
		return ""
	}
	return fmt.Sprintf("; what refers to it besides is of kinds that are not read: %s", strings.Join(slices.Sorted(slices.Values(s.others))[:min(len(s.others), maxShown)], ", "))
}

// another notes a kind of what refers to the image.
func (s *store) another(kind string) {
	if kind = oneLine(kind); !slices.Contains(s.others, kind) {
		s.others = append(s.others, kind)
	}
}

func (s *store) whatIsGone() string {
	if len(s.gone) == 0 {
		return ""
	}
	shown := s.gone[:min(len(s.gone), maxShown)]
	return fmt.Sprintf("; the registry lists %d beside it that it does not have any more, as after a clean-up of untagged versions: %s", len(s.gone), strings.Join(shown, ", "))
}

// openStore also makes sure that the image itself is there: a signature of an
// image that is missing is worth nothing.
func openStore(ctx context.Context, image record.Image, access registry.Access, log *slog.Logger) (*store, error) {
	digest, err := name.NewDigest(image.String())
	if err != nil {
		return nil, record.BadInput("sign/options", "parsing image %q: %w", image, err)
	}
	access.Log, access.MaxAnswer, access.MaxBlob = log, maxAnswer, maxEntry
	s := &store{digest: digest, client: access.Connect(), log: log, have: map[sought][]entry{}}
	s.transport = newConditional(s.client.Transport)
	s.client.Transport = s.transport
	s.options = []ociremote.Option{ociremote.WithRemoteOptions(s.client.Options(ctx)...)}
	// GET, because the checksum of the answer is compared with the digest.
	found, err := s.client.Get(ctx, digest)
	if err != nil {
		if registry.IsNotFound(err) {
			return nil, record.BadInput("sign/image-not-found",
				"looking up image %q: the registry does not have it: %w; push it first (`stagecrew build`), or check repository and digest", image, shown(err))
		}
		return nil, registryError(err, "looking up image %q", image)
	}
	s.subject, s.access = found.Descriptor, access
	if found.MediaType.IsIndex() {
		s.index = found
	}
	return s, nil
}

// read gives the entries of one place, without those that say that they are of another
// type. They are read into memory, so that what is checked cannot change under the check
// and a network error is never taken for a bad signature.
func (s *store) read(ctx context.Context, wanted sought) ([]entry, error) {
	if entries, have := s.have[wanted]; have {
		return entries, nil
	}
	entries, err := s.fetch(ctx, wanted)
	switch {
	case errors.Is(err, errTooMany):
		return nil, record.Refused("sign/too-many", "reading the %s of %q: %w; remove those that nobody needs", wanted.from, s.digest, err)
	case err != nil:
		return nil, registryError(err, "reading the %s of %q", wanted.from, s.digest)
	}
	s.have[wanted] = entries
	return entries, nil
}

func (s *store) fetch(ctx context.Context, wanted sought) ([]entry, error) {
	if wanted.from == referrers {
		return s.bundles(ctx, wanted)
	}
	tag, err := s.tag(wanted.from)
	if err != nil {
		return nil, err
	}
	return s.legacy(ctx, tag, wanted)
}

// tag is where the legacy format keeps all signatures, or all attestations.
func (s *store) tag(of place) (name.Tag, error) {
	if of == attestationTag {
		return ociremote.AttestationTag(s.digest, s.options...)
	}
	return ociremote.SignatureTag(s.digest, s.options...)
}
